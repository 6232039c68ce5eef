{# A text expression as a sort key by code points, whatever the collation. #}
{% macro code_point_order(expression) %}
    {{ return(adapter.dispatch("code_point_order", "batch_audit")(expression)) }}
{% endmacro %}

{% macro duckdb__code_point_order(expression) %} {{ return(expression) }}{% endmacro %}

{% macro postgres__code_point_order(expression) %} {{ return(expression ~ ' collate "C"') }}{% endmacro %}
