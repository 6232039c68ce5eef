{# The body of one table's create statement: its columns, and the keys that are the backstop against forks and doubles. #}
{% macro table_ddl(table) %}
    {% set keys = {
        "audit_segment": ["primary key (segment)"],
        "audit_block": [
            "primary key (block_no)",
            "unique (segment, table_name)",
            "unique (previous_hash)",
        ],
    } %}
    {% set required = [
        "segment",
        "part",
        "seq",
        "event_id",
        "batch_id",
        "batch_month",
        "block_no",
        "block_hash",
        "previous_hash",
    ] %}
    {% set lines = [] %}
    {% for column in batch_audit.store_columns(table) %}
        {% do lines.append(
            column
            ~ " "
            ~ batch_audit.store_type(column)
            ~ (" not null" if column in required else "")
        ) %}
    {% endfor %}
    {{ return((lines + keys.get(table, [])) | join(", ")) }}
{% endmacro %}
