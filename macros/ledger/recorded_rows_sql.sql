{#
  What will become events with payloads, from a select that gives record_id, old_hash, record_hash, old_value, new_value
  and whatever other event columns vary: each row gets its salt, which must be drawn once for both tables, and its
  payload_commitment. It is made for the temporary table batch_audit_recorded, so that the engine may compute it in parallel.
#}
{% macro recorded_rows_sql(recorded) %}
    {% set committed = [] %}
    {% for column in ["salt", "old_hash", "record_hash", "old_value", "new_value"] %}
        {% do committed.append({"sql": column, "counted": false}) %}
    {% endfor %}
    select
        s.*,
        {{ batch_audit.sha256_hex(batch_audit.fields_text("audit_payload", committed)) }}
        as payload_commitment
    from (select q.*, {{ batch_audit.random_salt() }} as salt from ({{ recorded }}) as q) as s
{% endmacro %}
