{{ config(**batch_audit.view_config()) }}

with
    -- Every record of a node's lineage beside the one before it; what is an edge of one alone was added or
    -- removed.
    sides as (
        select batch_id, recorded_at, node_id, segment, 1 as is_new, status
        from {{ ref("fct_lineage_records") }}
        where node_id is not null
        union all
        select batch_id, recorded_at, node_id, previous_segment, 0, status
        from {{ ref("fct_lineage_records") }}
        where node_id is not null and previous_segment is not null
    ),

    counted as (
        select
            sides.batch_id,
            sides.recorded_at,
            edges.owner,
            edges.source,
            edges.source_column,
            edges.target,
            edges.target_column,
            edges.kind,
            edges.subtype,
            edges.masking,
            max(sides.is_new) as is_new,
            min(sides.is_new) as stays_new
        from sides
        join
            {{ ref("stg_audit_column_edges") }} as edges
            on sides.segment = edges.segment
            and sides.node_id = edges.owner
        group by
            sides.batch_id,
            sides.recorded_at,
            edges.owner,
            edges.source,
            edges.source_column,
            edges.target,
            edges.target_column,
            edges.kind,
            edges.subtype,
            edges.masking
    )

select
    batch_id,
    recorded_at,
    case when is_new = 1 then 'added' else 'removed' end as change,
    owner,
    source,
    source_column,
    target,
    target_column,
    kind,
    subtype,
    masking
from counted
where is_new = stays_new
