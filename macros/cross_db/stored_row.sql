{#
  SQL for the rows of a temporary table that was filled once, as a mapping: id (finds the row again), number (dense, from
  1), and fence (a select column that keeps the engine from computing the columns beside it once for every use of them).
#}
{% macro stored_row(table) %}
    {{ return(adapter.dispatch("stored_row", "batch_audit")(table)) }}
{% endmacro %}

{#
  A window would number the rows on one thread. Row ids of a table that this transaction made have no gaps, but begin
  high up.
#}
{% macro duckdb__stored_row(table) %}
    {{
        return(
            {
                "id": "rowid",
                "number": "(rowid - (select min(rowid) from " ~ table ~ ") + 1)",
                "fence": "null",
            }
        )
    }}
{% endmacro %}

{# A volatile column keeps Postgres from merging a subquery into its reader, and this one may run in parallel workers. #}
{% macro postgres__stored_row(table) %}
    {{ return({"id": "ctid", "number": "row_number() over ()", "fence": "clock_timestamp()"}) }}
{% endmacro %}
