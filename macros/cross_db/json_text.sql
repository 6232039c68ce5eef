{# The value under one key of a JSON object, as text; NULL where the key is missing or null. The key is written by us, never data. #}
{% macro json_text(column, key) %}
    {{ return(adapter.dispatch("json_text", "batch_audit")(column, key)) }}
{% endmacro %}

{% macro duckdb__json_text(column, key) %} json_extract_string({{ column }}, '$."{{ key }}"'){% endmacro %}

{# jsonb refuses U+0000, and one such message would make every view fail for good: the row can never be edited. #}
{% macro postgres__json_text(column, key) %}
    (cast(replace({{ column }}, '\u0000', '\ufffd') as jsonb) ->> '{{ key }}')
{% endmacro %}
