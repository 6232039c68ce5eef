{# A text value as a SQL literal; nothing in it can end the literal. A NUL character, which Postgres cannot store, is left out. #}
{% macro text_literal(value) %}
    {{ return(adapter.dispatch("text_literal", "batch_audit")(value)) }}
{% endmacro %}

{% macro duckdb__text_literal(value) %}
    {{ return("'" ~ (value | string | replace("\x00", "") | replace("'", "''")) ~ "'") }}
{% endmacro %}

{% macro postgres__text_literal(value) %}
    {{
        return(
            " E'"
            ~ (value | string | replace("\x00", "") | replace("\\", "\\\\") | replace("'", "''"))
            ~ "'"
        )
    }}
{% endmacro %}
