{{ config(**batch_audit.view_config()) }}

select
    events.event_id,
    events.batch_id,
    events.batch_month,
    events.invocation_id,
    events.occurred_at as found_at,
    events.source as test_id,
    {{ batch_audit.test_name("events.source") }} as test_name,
    events.target as node_id,
    {{ batch_audit.node_name("events.target") }} as node_name,
    events.record_id,
    {{ batch_audit.json_text("events.metadata", "matched") }} as matched,
    {{ batch_audit.json_text("events.metadata", "reason") }} as reason,
    payloads.new_value as row_values,
    payloads.event_id is null as values_erased,
    events.error_message
from {{ ref("stg_audit_events") }} as events
left join
    {{ ref("stg_audit_payloads") }} as payloads
    on events.event_id = payloads.event_id
    and events.batch_month = payloads.batch_month
where events.event_type = 'record_error'
