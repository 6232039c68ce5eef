{# The tables that hold one month of the store, besides the tables themselves (`YYYY-MM`; Postgres partitions). #}
{% macro month_tables(month) %}
    {{ return(adapter.dispatch("month_tables", "batch_audit")(month)) }}
{% endmacro %}

{% macro duckdb__month_tables(month) %} {{ return([]) }}{% endmacro %}

{% macro postgres__month_tables(month) %} {{ return(batch_audit._month_partitions(month)) }}{% endmacro %}
