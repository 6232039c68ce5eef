{#
  Inserts events with their payloads from a select that gives segment, part, seq, batch_id, batch_month, event_type,
  occurred_at, invocation_id, actor, source, target, record_id, change_type, changed_fields, metadata, old_hash,
  record_hash, old_value, new_value. The rows stand in a temporary table first: a salt must be drawn once for both tables.
#}
{% macro insert_recorded_sql(recorded) %}
    {% set committed = [] %}
    {% for column in ["salt", "old_hash", "record_hash", "old_value", "new_value"] %}
        {% do committed.append({"sql": column, "counted": false}) %}
    {% endfor %}
    {% set rows %}
        select r.*, {{ batch_audit.sha256_hex(batch_audit.row_text("audit_event", "r")) }} as event_id
        from (
            select s.*, {{ batch_audit.sha256_hex(batch_audit.fields_text("audit_payload", committed)) }} as payload_commitment
            from (
                select
                    q.*,
                    {{ batch_audit.random_salt() }} as salt,
                    cast(null as text) as subject_id,
                    cast(null as text) as error_message,
                    cast(null as text) as error_stack
                from ({{ recorded }}) as q
            ) as s
        ) as r
    {% endset %}
    {{ batch_audit.temp_table_sql("batch_audit_recorded", rows) }}
    {% for table in ["audit_event", "audit_payload"] %}
        {% set columns = batch_audit.store_columns(table) | join(", ") %}
        insert into {{ batch_audit.store_relation(table) }} ({{ columns }})
        select {{ columns }} from batch_audit_recorded;
    {% endfor %}
    drop table batch_audit_recorded;
{% endmacro %}
