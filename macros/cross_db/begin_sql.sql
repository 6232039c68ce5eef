{# Starts a transaction of its own. Postgres: psycopg2 may already have opened one, whose snapshot and isolation are not ours. #}
{% macro begin_sql() %} {{ return(adapter.dispatch("begin_sql", "batch_audit")()) }}{% endmacro %}

{% macro duckdb__begin_sql() %} {{ return("begin transaction;\n") }}{% endmacro %}

{% macro postgres__begin_sql() %}
    {{ return("commit; begin isolation level read committed;\n") }}
{% endmacro %}
