{# SQL text that escapes a text expression as a field: `~` becomes `~0`, `|` becomes `~1`; NULL stays NULL. #}
{% macro escaped_field(expression) %}
    {{ return("replace(replace(" ~ expression ~ ", '~', '~0'), '|', '~1')") }}
{% endmacro %}
