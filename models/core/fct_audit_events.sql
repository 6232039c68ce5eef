{{ config(**batch_audit.view_config()) }}

with
    events as (select * from {{ ref("stg_audit_events") }}),

    segments as (select segment, writer from {{ ref("stg_audit_segments") }}),

    blocks as (select segment, block_no from {{ ref("stg_audit_blocks") }} where table_name = 'audit_event')

select
    events.event_id,
    events.batch_id,
    events.batch_month,
    events.invocation_id,
    events.event_type,
    events.kind,
    events.occurred_at,
    events.actor,
    events.target as node_id,
    events.source as source_id,
    events.record_id,
    events.change_type,
    {{ batch_audit.json_list_text("events.changed_fields") }} as changed_fields,
    {{ batch_audit.json_text("events.metadata", "status") }} as status,
    {{ batch_audit.json_text("events.metadata", "reason") }} as reason,
    events.error_message,
    events.metadata,
    events.segment,
    events.part,
    events.seq,
    segments.writer,
    blocks.block_no,
    blocks.block_no is not null as sealed
from events
left join segments on events.segment = segments.segment
left join blocks on events.segment = blocks.segment
