{# Lower-case hex SHA-256 of a text expression; NULL gives NULL. #}
{% macro sha256_hex(text) %} {{ return(adapter.dispatch("sha256_hex", "batch_audit")(text)) }}{% endmacro %}

{% macro duckdb__sha256_hex(text) %} {{ return("sha256(" ~ text ~ ")") }}{% endmacro %}

{% macro postgres__sha256_hex(text) %}
    {{ return("encode(sha256(convert_to(" ~ text ~ ", 'UTF8')), 'hex')") }}
{% endmacro %}
