{# The unique_id of the node that a test is about: the one it is attached to, else its only or first input; or none. #}
{% macro tested_node(test) %}
    {% if test.attached_node %} {{ return(test.attached_node) }}{% endif %}
    {% if test.tested_node_unique_id %} {{ return(test.tested_node_unique_id) }}{% endif %}
    {% set inputs = test.depends_on.nodes if test.depends_on else [] %}
    {{ return(inputs[0] if inputs else none) }}
{% endmacro %}
