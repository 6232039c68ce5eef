{{ config(**batch_audit.view_config()) }}

select
    segment,
    part,
    seq,
    event_id,
    batch_id,
    batch_month,
    event_type,
    {{ batch_audit.json_text("metadata", "kind") }} as kind,
    {{ batch_audit.microseconds_to_timestamp("occurred_at") }} as occurred_at,
    invocation_id,
    actor,
    source,
    target,
    record_id,
    change_type,
    changed_fields,
    payload_commitment,
    metadata,
    error_message,
    error_stack
from {{ batch_audit.store_relation("audit_event") }}
