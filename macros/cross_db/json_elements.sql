{# One row for each element of a JSON array of texts. It multiplies rows, so it stands alone in a select list. #}
{% macro json_elements(column) %}
    {{ return(adapter.dispatch("json_elements", "batch_audit")(column)) }}
{% endmacro %}

{% macro duckdb__json_elements(column) %} unnest(cast(cast({{ column }} as json) as varchar[])){% endmacro %}

{% macro postgres__json_elements(column) %}
    jsonb_array_elements_text(cast({{ column }} as jsonb))
{% endmacro %}
