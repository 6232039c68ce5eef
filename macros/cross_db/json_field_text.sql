{# The value under a key of a JSON object whose values are text or null; the key is an SQL expression, so it may be any text. #}
{% macro json_field_text(column, field) %}
    {{ return(adapter.dispatch("json_field_text", "batch_audit")(column, field)) }}
{% endmacro %}

{# A JSON pointer reads the one key (RFC 6901); a cast to a map would build every entry for it. #}
{% macro duckdb__json_field_text(column, field) %}
    json_extract_string({{ column }}, '/' || replace(replace({{ field }}, '~', '~0'), '/', '~1'))
{% endmacro %}

{% macro postgres__json_field_text(column, field) %}
    (cast({{ column }} as jsonb) ->> {{ field }})
{% endmacro %}
