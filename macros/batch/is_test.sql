{# True for data tests and unit tests: their results are validations, not checkpoints. #}
{% macro is_test(node) %} {{ return(node.resource_type | string in ["test", "unit_test"]) }}{% endmacro %}
