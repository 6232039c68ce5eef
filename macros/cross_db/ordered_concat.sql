{# Aggregate: the texts of a group, concatenated in an order. #}
{% macro ordered_concat(expression, order_by) %}
    {{ return(adapter.dispatch("ordered_concat", "batch_audit")(expression, order_by)) }}
{% endmacro %}

{% macro duckdb__ordered_concat(expression, order_by) %}
    {{ return("string_agg(" ~ expression ~ ", '' order by " ~ order_by ~ ")") }}
{% endmacro %}

{% macro postgres__ordered_concat(expression, order_by) %}
    {{ return("string_agg(" ~ expression ~ ", '' order by " ~ order_by ~ ")") }}
{% endmacro %}
