{# A column's name as the engine compares names: DuckDB ignores the case of ASCII letters, Postgres does not. #}
{% macro fold_name(name) %} {{ return(adapter.dispatch("fold_name", "batch_audit")(name)) }}{% endmacro %}

{% macro duckdb__fold_name(name) %} {{ return(name.encode("utf-8").lower().decode("utf-8")) }}{% endmacro %}

{% macro postgres__fold_name(name) %} {{ return(name) }}{% endmacro %}
