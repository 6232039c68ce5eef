{# A text as a JSON string with non-ASCII characters as they are (dbt's tojson escapes them, the warehouses do not). #}
{% macro json_string(value) %}
    {% set characters = [] %}
    {% for character in value %}
        {% set escaped = character < " " or character in '"\\' %}
        {% do characters.append(tojson(character)[1:-1] if escaped else character) %}
    {% endfor %}
    {{ return('"' ~ characters | join ~ '"') }}
{% endmacro %}
