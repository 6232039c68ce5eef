{# The tables that grow with every batch and can be kept and dropped by month. #}
{% macro monthly_tables() %}
    {{ return(["audit_event", "audit_payload", "audit_record_edge", "audit_column_edge"]) }}
{% endmacro %}
