{# One row for each key of a JSON object. It multiplies rows, so it stands alone in a select list. #}
{% macro json_keys(column) %} {{ return(adapter.dispatch("json_keys", "batch_audit")(column)) }}{% endmacro %}

{% macro duckdb__json_keys(column) %} unnest(json_keys({{ column }})){% endmacro %}

{% macro postgres__json_keys(column) %} jsonb_object_keys(cast({{ column }} as jsonb)){% endmacro %}
