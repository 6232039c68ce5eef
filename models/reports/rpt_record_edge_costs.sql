{{ config(**batch_audit.view_config()) }}

with
    written as (
        select
            event_id,
            batch_id,
            batch_month,
            target as node_id,
            occurred_at as written_at,
            {{ batch_audit.json_text("metadata", "status") }} as label,
            {{ batch_audit.json_text("metadata", "reasons") }} as reasons,
            cast({{ batch_audit.json_text("metadata", "records_changed") }} as bigint) as records_changed,
            cast({{ batch_audit.json_text("metadata", "records_traced") }} as bigint) as records_traced,
            cast({{ batch_audit.json_text("metadata", "edges") }} as bigint) as edges,
            cast({{ batch_audit.json_text("metadata", "microseconds") }} as bigint) as microseconds
        from {{ ref("stg_audit_events") }}
        where event_type = 'record_lineage'
    ),

    builds as (
        select batch_id, node_id, max(duration_s) as duration_s
        from {{ ref("rpt_batch_nodes") }}
        group by batch_id, node_id
    )

select
    written.event_id,
    written.batch_id,
    written.batch_month,
    written.node_id,
    {{ batch_audit.node_name("written.node_id") }} as node_name,
    written.written_at,
    written.label,
    {{ batch_audit.json_list_text("written.reasons") }} as reasons,
    written.records_changed,
    written.records_traced,
    written.edges,
    cast(written.microseconds / 1000000.0 as numeric(18, 6)) as edges_s,
    builds.duration_s as build_s
from written
left join builds on written.batch_id = builds.batch_id and written.node_id = builds.node_id
