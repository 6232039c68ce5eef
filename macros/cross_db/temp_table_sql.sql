{# Creates a temporary table of this session from a select; it is gone with the transaction at the latest. #}
{% macro temp_table_sql(name, select_sql) %}
    {{ return(adapter.dispatch("temp_table_sql", "batch_audit")(name, select_sql)) }}
{% endmacro %}

{% macro duckdb__temp_table_sql(name, select_sql) %}
    {{ return("create temporary table " ~ name ~ " as\n" ~ select_sql ~ ";\n") }}
{% endmacro %}

{% macro postgres__temp_table_sql(name, select_sql) %}
    {{ return("create temporary table " ~ name ~ " on commit drop as\n" ~ select_sql ~ ";\n") }}
{% endmacro %}
