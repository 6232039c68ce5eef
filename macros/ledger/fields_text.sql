{# SQL text of `v1|<name>|<count>|<field>|…`; fields are mappings of sql and counted (BIGINT: nothing to escape). #}
{% macro fields_text(name, fields) %}
    {% set parts = [] %}
    {% for field in fields %}
        {% if field["counted"] %} {% do parts.append("coalesce(cast(" ~ field["sql"] ~ " as text), '~N')") %}
        {% else %} {% do parts.append("coalesce(" ~ batch_audit.escaped_field(field["sql"]) ~ ", '~N')") %}
        {% endif %}
    {% endfor %}
    {{ return("'v1|" ~ name ~ "|" ~ fields | length ~ "|' || " ~ parts | join(" || '|' || ")) }}
{% endmacro %}
