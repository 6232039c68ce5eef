{{ config(**batch_audit.view_config()) }}

select
    records.batch_id,
    records.batch_month,
    records.recorded_at,
    edges.owner,
    edges.source,
    edges.source_column,
    edges.target,
    edges.target_column,
    edges.kind,
    edges.subtype,
    edges.masking,
    edges.expression,
    edges.reason
from {{ ref("fct_lineage_records") }} as records
join
    {{ ref("stg_audit_column_edges") }} as edges
    on records.segment = edges.segment
    and records.node_id = edges.owner
where records.is_current
