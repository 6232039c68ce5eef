{{ config(**batch_audit.view_config()) }}

select
    segment,
    part as owner,
    seq,
    batch_id,
    batch_month,
    target,
    target_column,
    source,
    source_column,
    kind,
    subtype,
    masking = 'true' as masking,
    expression,
    reason
from {{ batch_audit.store_relation("audit_column_edge") }}
