{# The name of a node from its unique_id: everything after the resource type and the project ('model.shop.orders.v2' gives 'orders.v2'). #}
{% macro node_name(column) %}
    {{ return("regexp_replace(" ~ column ~ ", '^[^.]*[.][^.]*[.]', '')") }}
{% endmacro %}
