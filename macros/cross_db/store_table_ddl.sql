{# The statements that create one table of the store; on Postgres also of one month's partition (`audit_event_2026_11`). #}
{% macro store_table_ddl(table) %}
    {{ return(adapter.dispatch("store_table_ddl", "batch_audit")(table)) }}
{% endmacro %}

{% macro duckdb__store_table_ddl(table) %}
    {{
        return(
            "create table " ~ batch_audit.store_relation(table) ~ " (" ~ batch_audit.table_ddl(table) ~ ");"
        )
    }}
{% endmacro %}

{#
  Partitions come by LIKE and ATTACH: `create table … partition of` would wait for every writer of the parent and make
  the next ones wait behind it.
#}
{% macro postgres__store_table_ddl(table) %}
    {% set relation = batch_audit.store_relation(table) %}
    {% if table in batch_audit.store_tables() %}
        {% set partitioned = table in batch_audit.monthly_tables() %}
        {% set ddl = [
            "create table "
            ~ relation
            ~ " ("
            ~ batch_audit.table_ddl(table)
            ~ ")"
            ~ (" partition by list (batch_month)" if partitioned else "")
            ~ ";"
        ] %}
        {# Changed records are left out: an index over them costs more than it saves (docs/decisions/0007). #}
        {% for column in ["batch_id", "target"] if table == "audit_event" %}
            {% do ddl.append(
                "create index audit_event_by_"
                ~ column
                ~ " on "
                ~ relation
                ~ " ("
                ~ column
                ~ ") where event_type <> 'record_write';"
            ) %}
        {% endfor %}
        {{ return(ddl | join("\n")) }}
    {% endif %}
    {% set parent = batch_audit.store_relation(table[:-8]) %}
    {% set month = table[-7:].replace("_", "-") %}
    {{
        return(
            "create table "
            ~ relation
            ~ " (like "
            ~ parent
            ~ ");\n"
            ~ "alter table "
            ~ parent
            ~ " attach partition "
            ~ relation
            ~ " for values in ("
            ~ batch_audit.text_literal(month)
            ~ ");"
        )
    }}
{% endmacro %}

{% macro _month_partitions(month) %}
    {% set tables = [] %}
    {% for table in batch_audit.monthly_tables() %}
        {% do tables.append(table ~ "_" ~ month.replace("-", "_")) %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}
