{# The name of the adapter in use, as it is recorded in events. #}
{% macro engine_name() %} {{ return(adapter.type()) }}{% endmacro %}
