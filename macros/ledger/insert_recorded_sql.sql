{#
  Inserts events with their payloads from a select that gives segment, part, seq, batch_id, batch_month, event_type,
  occurred_at, invocation_id, actor, source, target, record_id, change_type, changed_fields, metadata, old_hash,
  record_hash, old_value, new_value. The rows stand in a temporary table first: a salt must be drawn once for both tables.
#}
{% macro insert_recorded_sql(recorded) %}
  {% set events = batch_audit.store_columns("audit_event") %}
  {% set payloads = batch_audit.store_columns("audit_payload") %}
  {% set commitment = [] %}
  {% for column in ["salt", "old_hash", "record_hash", "old_value", "new_value"] %}
    {% do commitment.append({"sql": column, "counted": false}) %}
  {% endfor %}
  {% set rows = "select r.*, " ~ batch_audit.sha256_hex(batch_audit.row_text("audit_event", "r")) ~ " as event_id from (\n"
    ~ "select s.*, " ~ batch_audit.sha256_hex(batch_audit.fields_text("audit_payload", commitment)) ~ " as payload_commitment from (\n"
    ~ "select q.*, " ~ batch_audit.random_salt() ~ " as salt, cast(null as text) as subject_id,"
    ~ " cast(null as text) as error_message, cast(null as text) as error_stack from (\n" ~ recorded ~ "\n) as q) as s) as r" %}
  {{ return(
    batch_audit.temp_table_sql("batch_audit_recorded", rows)
    ~ "insert into " ~ batch_audit.store_relation("audit_event") ~ " (" ~ events | join(", ") ~ ") select "
    ~ events | join(", ") ~ " from batch_audit_recorded;\n"
    ~ "insert into " ~ batch_audit.store_relation("audit_payload") ~ " (" ~ payloads | join(", ") ~ ") select "
    ~ payloads | join(", ") ~ " from batch_audit_recorded;\n"
    ~ "drop table batch_audit_recorded;\n"
  ) }}
{% endmacro %}
