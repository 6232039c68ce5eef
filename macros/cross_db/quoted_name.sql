{# A column's name as a quoted identifier; a quote in the name is doubled (the adapters' own quoting does not). #}
{% macro quoted_name(name) %} {{ return('"' ~ (name | replace('"', '""')) ~ '"') }} {% endmacro %}
