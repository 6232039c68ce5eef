{# The text of a compact JSON object from (name, SQL text expression) pairs: every value is text or null, never a number. #}
{% macro json_object_text(pairs) %}
    {{ return(adapter.dispatch("json_object_text", "batch_audit")(pairs)) }}
{% endmacro %}

{% macro duckdb__json_object_text(pairs) %}
    {% set arguments = [] %}
    {% for name, expression in pairs %}
        {% do arguments.append(batch_audit.text_literal(name) ~ ", " ~ expression) %}
    {% endfor %}
    {{ return("cast(json_object(" ~ arguments | join(", ") ~ ") as text)") }}
{% endmacro %}

{# json_build_object takes 100 arguments at most and writes spaces; concatenation does neither. #}
{% macro postgres__json_object_text(pairs) %}
    {% set members = [] %}
    {% for name, expression in pairs %}
        {% do members.append(
            batch_audit.text_literal(batch_audit.json_string(name))
            ~ " || ':' || coalesce(to_json("
            ~ expression
            ~ ")::text, 'null')"
        ) %}
    {% endfor %}
    {% if not members %} {{ return("'{}'") }} {% endif %}
    {{ return("'{' || " ~ members | join(" || ',' || ") ~ " || '}'") }}
{% endmacro %}
