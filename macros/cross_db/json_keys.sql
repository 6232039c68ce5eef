{# One row for each key of a JSON object. It multiplies rows, so it stands alone in a select list. #}
{% macro json_keys(column) %} {{ return(adapter.dispatch("json_keys", "batch_audit")(column)) }}{% endmacro %}

{% macro default__json_keys(column) %} {{ batch_audit.not_written_for("json_keys") }}{% endmacro %}

{% macro duckdb__json_keys(column) %} unnest(json_keys({{ column }})){% endmacro %}

{% macro postgres__json_keys(column) %} jsonb_object_keys(cast({{ column }} as jsonb)){% endmacro %}
