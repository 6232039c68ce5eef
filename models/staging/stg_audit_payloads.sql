{{ config(**batch_audit.view_config()) }}

select
    segment, part, seq, event_id, batch_month, subject_id, salt, old_hash, record_hash, old_value, new_value
from {{ batch_audit.store_relation("audit_payload") }}
