{{ config(**batch_audit.view_config()) }}

select
    block_no,
    segment,
    table_name,
    format_version,
    leaf_count,
    merkle_root,
    previous_hash,
    block_hash,
    {{ batch_audit.microseconds_to_timestamp("sealed_at") }} as sealed_at
from {{ batch_audit.store_relation("audit_block") }}
