{{ config(**batch_audit.view_config()) }}

with
    -- Versions of a record's lineage: it holds until the record's edges are written again.
    versions as (
        select
            edges.target,
            edges.target_record_id,
            edges.segment,
            segments.opened_at as written_at,
            lead(segments.opened_at) over (
                partition by edges.target, edges.target_record_id order by segments.opened_at, edges.segment
            ) as replaced_at,
            lead(edges.segment) over (
                partition by edges.target, edges.target_record_id order by segments.opened_at, edges.segment
            )
            is null as is_current
        from
            (
                select distinct target, target_record_id, segment
                from {{ ref("stg_audit_record_edges") }}
                where target_record_id is not null
            ) as edges
        join {{ ref("stg_audit_segments") }} as segments on edges.segment = segments.segment
    )

select
    edges.batch_id,
    edges.batch_month,
    versions.written_at,
    versions.replaced_at,
    versions.is_current,
    edges.target as node_id,
    {{ batch_audit.node_name("edges.target") }} as node_name,
    edges.target_record_id as record_id,
    edges.target_hash as record_hash,
    edges.source as source_id,
    {{ batch_audit.node_name("edges.source") }} as source_name,
    edges.source_record_id,
    edges.source_hash,
    edges.step,
    edges.role,
    edges.label,
    edges.reason,
    edges.segment,
    edges.seq
from {{ ref("stg_audit_record_edges") }} as edges
join
    versions
    on edges.target = versions.target
    and edges.target_record_id = versions.target_record_id
    and edges.segment = versions.segment
