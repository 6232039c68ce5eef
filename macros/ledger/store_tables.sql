{# The names of the store's tables, in the order in which they are created. #}
{% macro store_tables() %}
    {{
        return(
            [
                "audit_segment",
                "audit_event",
                "audit_payload",
                "audit_record_edge",
                "audit_column_edge",
                "audit_block",
            ]
        )
    }}
{% endmacro %}
