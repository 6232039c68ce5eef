{# The statements that create the given tables of the store, and their schema where it is missing. #}
{% macro store_ddl(schema, tables, schema_exists) %}
    {% set sql = [] %}
    {% if not schema_exists %} {% do sql.append("create schema " ~ adapter.quote(schema) ~ ";") %} {% endif %}
    {% for table in tables %} {% do sql.append(batch_audit.store_table_ddl(table)) %} {% endfor %}
    {{ return(sql | join("\n")) }}
{% endmacro %}
