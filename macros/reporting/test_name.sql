{# The name of a test from its unique_id, without the hash that dbt puts after a generic test's name. #}
{% macro test_name(column) %}
    {{ return("regexp_replace(" ~ batch_audit.node_name(column) ~ ", '[.][0-9a-f]{10}$', '')") }}
{% endmacro %}
