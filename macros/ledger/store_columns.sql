{#
  The store's tables: table -> column names in their declared order, the order in which row texts are built.
  Declared once; every statement over the store takes its columns from here. TEXT unless store_type says otherwise.
#}
{% macro store_columns(table) %}
  {% set columns = {
    "audit_segment": [
      "segment", "part", "seq", "batch_id", "batch_month", "invocation_id", "writer", "opened_at",
    ],
    "audit_event": [
      "segment", "part", "seq", "event_id", "batch_id", "batch_month", "event_type", "occurred_at", "invocation_id",
      "actor", "source", "target", "record_id", "change_type", "changed_fields", "payload_commitment", "metadata",
      "error_message", "error_stack",
    ],
    "audit_payload": [
      "segment", "part", "seq", "event_id", "batch_month", "subject_id", "salt", "old_hash", "record_hash",
      "old_value", "new_value",
    ],
    "audit_record_edge": [
      "segment", "part", "seq", "batch_id", "batch_month", "target", "target_record_id", "target_hash", "source",
      "source_record_id", "source_hash", "step", "role", "label", "reason",
    ],
    "audit_column_edge": [
      "segment", "part", "seq", "batch_id", "batch_month", "target", "target_column", "source", "source_column",
      "kind", "subtype", "masking", "expression", "reason",
    ],
    "audit_block": [
      "block_no", "segment", "table_name", "format_version", "leaf_count", "merkle_root", "previous_hash",
      "block_hash", "sealed_at",
    ],
  } %}
  {{ return(columns[table]) }}
{% endmacro %}
