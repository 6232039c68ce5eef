{{ config(**batch_audit.view_config()) }}

with
    -- A batch records its lineage after its last node has ended.
    moments as (
        select batch_id, max(recorded_at) as recorded_at
        from {{ ref("fct_lineage_records") }}
        group by batch_id
    ),

    batches as (
        select
            batches.batch_id, coalesce(moments.recorded_at, batches.ended_at, batches.started_at) as ended_at
        from {{ ref("fct_audit_batches") }} as batches
        left join moments on batches.batch_id = moments.batch_id
    )

select
    batches.batch_id,
    records.batch_id as recorded_in_batch_id,
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
from batches
join
    {{ ref("fct_lineage_records") }} as records
    on records.recorded_at <= batches.ended_at
    and (records.replaced_at is null or records.replaced_at > batches.ended_at)
join
    {{ ref("stg_audit_column_edges") }} as edges
    on records.segment = edges.segment
    and records.node_id = edges.owner
