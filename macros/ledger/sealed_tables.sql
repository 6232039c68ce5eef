{#
  The tables that a seal covers, in the order of a segment's blocks. Payloads are covered by the commitment in their
  event, so that one can be erased and the chain still verifies.
#}
{% macro sealed_tables() %}
    {{ return(["audit_segment", "audit_event", "audit_record_edge", "audit_column_edge"]) }}
{% endmacro %}
