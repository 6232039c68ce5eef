{{ config(**batch_audit.view_config()) }}

with
    nodes as (
        select
            event_id,
            batch_id,
            batch_month,
            invocation_id,
            target,
            metadata,
            error_message,
            cast({{ batch_audit.json_text("metadata", "execution_us") }} as bigint) as execution_us
        from {{ ref("stg_audit_events") }}
        where
            event_type = 'checkpoint'
            and kind = 'node'
            and coalesce({{ batch_audit.json_text("metadata", "resource_type") }}, '')
            not in ('test', 'unit_test')
    ),

    captures as (
        select
            batch_id,
            batch_month,
            invocation_id,
            node_id,
            max(capture_mode) as capture_mode,
            sum(records_inserted) as records_inserted,
            sum(records_updated) as records_updated,
            sum(records_deleted) as records_deleted,
            max(rows_after) as rows_after
        from {{ ref("fct_audit_captures") }}
        group by batch_id, batch_month, invocation_id, node_id
    ),

    not_captured as (
        select
            batch_id,
            batch_month,
            invocation_id,
            target,
            max({{ batch_audit.json_text("metadata", "reason") }}) as not_captured_reason
        from {{ ref("stg_audit_events") }}
        where event_type = 'not_captured'
        group by batch_id, batch_month, invocation_id, target
    )

select
    nodes.event_id,
    nodes.batch_id,
    nodes.batch_month,
    nodes.invocation_id,
    nodes.target as node_id,
    {{ batch_audit.node_name("nodes.target") }} as node_name,
    {{ batch_audit.json_text("nodes.metadata", "resource_type") }} as resource_type,
    {{ batch_audit.json_text("nodes.metadata", "materialized") }} as materialized,
    {{ batch_audit.json_text("nodes.metadata", "relation") }} as relation,
    {{ batch_audit.json_text("nodes.metadata", "status") }} as status,
    {{ batch_audit.metadata_time("nodes.metadata", "started_at") }} as started_at,
    {{ batch_audit.metadata_time("nodes.metadata", "completed_at") }} as ended_at,
    cast(nodes.execution_us / 1000000.0 as numeric(18, 6)) as duration_s,
    {{ batch_audit.json_text("nodes.metadata", "thread_id") }} as thread_id,
    cast({{ batch_audit.json_text("nodes.metadata", "rows_affected") }} as bigint) as rows_affected,
    captures.capture_mode,
    cast(captures.rows_after as bigint) as row_count,
    cast(captures.records_inserted as bigint) as records_inserted,
    cast(captures.records_updated as bigint) as records_updated,
    cast(captures.records_deleted as bigint) as records_deleted,
    not_captured.not_captured_reason,
    coalesce(nodes.error_message, {{ batch_audit.json_text("nodes.metadata", "message") }}) as message,
    {{ batch_audit.json_text("nodes.metadata", "raw_checksum") }} as raw_checksum,
    {{ batch_audit.json_text("nodes.metadata", "compiled_checksum") }} as compiled_checksum
from nodes
left join
    captures
    on nodes.batch_id = captures.batch_id
    and nodes.batch_month = captures.batch_month
    and nodes.invocation_id = captures.invocation_id
    and nodes.target = captures.node_id
left join
    not_captured
    on nodes.batch_id = not_captured.batch_id
    and nodes.batch_month = not_captured.batch_month
    and nodes.invocation_id = not_captured.invocation_id
    and nodes.target = not_captured.target
