{{ config(**batch_audit.view_config()) }}

select
    segment,
    part,
    seq,
    batch_id,
    batch_month,
    target,
    target_record_id,
    target_hash,
    source,
    source_record_id,
    source_hash,
    step,
    role,
    label,
    reason
from {{ batch_audit.store_relation("audit_record_edge") }}
