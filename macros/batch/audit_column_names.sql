{# The columns that audit_columns() adds; a capture ignores them by itself. #}
{% macro audit_column_names() %}
    {{ return(["audit_batch_id", "audit_loaded_at", "audit_record_hash"]) }}
{% endmacro %}
