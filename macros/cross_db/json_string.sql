{# A text as a JSON string with non-ASCII characters as they are (dbt's tojson escapes them, the warehouses do not). #}
{% macro json_string(value) %}
    {% set escaped = (
        value
        | replace("\\", "\\\\")
        | replace('"', '\\"')
        | replace("\b", "\\b")
        | replace("\f", "\\f")
        | replace("\n", "\\n")
        | replace("\r", "\\r")
        | replace("\t", "\\t")
    ) %}
    {{ return('"' ~ escaped ~ '"') }}
{% endmacro %}
