{# SQL text of a row's canonical text; `alias` prefixes the columns. An event's own id is not part of what it hashes. #}
{% macro row_text(table, alias="") %}
    {% set prefix = alias ~ "." if alias else "" %}
    {% set fields = [] %}
    {% for column in batch_audit.store_columns(table) if not (table == "audit_event" and column == "event_id") %}
        {% do fields.append(
            {"sql": prefix ~ column, "counted": batch_audit.store_type(column) == "bigint"}
        ) %}
    {% endfor %}
    {{ return(batch_audit.fields_text(table, fields)) }}
{% endmacro %}
