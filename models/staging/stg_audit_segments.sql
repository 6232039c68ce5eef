{{ config(**batch_audit.view_config()) }}

select
    segment,
    batch_id,
    batch_month,
    invocation_id,
    writer,
    {{ batch_audit.microseconds_to_timestamp("opened_at") }} as opened_at
from {{ batch_audit.store_relation("audit_segment") }}
