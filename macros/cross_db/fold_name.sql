{# A column's name as the engine compares names: DuckDB ignores case, Postgres does not. #}
{% macro fold_name(name) %} {{ return(adapter.dispatch("fold_name", "batch_audit")(name)) }}{% endmacro %}

{% macro default__fold_name(name) %} {{ batch_audit.not_written_for("fold_name") }}{% endmacro %}

{% macro duckdb__fold_name(name) %} {{ return(name | lower) }}{% endmacro %}

{% macro postgres__fold_name(name) %} {{ return(name) }}{% endmacro %}
