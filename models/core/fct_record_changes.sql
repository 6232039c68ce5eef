{{ config(**batch_audit.view_config()) }}

with
    writes as (select * from {{ ref("stg_audit_events") }} where event_type = 'record_write'),

    -- What the capture says once for all of its records, and the code that the invocation ran.
    captures as (
        select
            captures.segment,
            captures.part,
            max(captures.relation) as relation,
            max(captures.capture_no) as capture_no,
            max(captures.capture_mode) as capture_mode,
            max(invocations.job) as job,
            max(invocations.git_commit) as git_commit
        from {{ ref("fct_audit_captures") }} as captures
        left join
            {{ ref("fct_audit_invocations") }} as invocations
            on captures.batch_id = invocations.batch_id
            and captures.batch_month = invocations.batch_month
            and captures.invocation_id = invocations.invocation_id
        group by captures.segment, captures.part
    )

select
    writes.event_id,
    writes.batch_id,
    writes.batch_month,
    writes.invocation_id,
    writes.occurred_at as changed_at,
    writes.actor,
    captures.job,
    captures.git_commit,
    writes.target as node_id,
    {{ batch_audit.node_name("writes.target") }} as node_name,
    captures.relation,
    captures.capture_no,
    coalesce(captures.capture_mode, 'changes') = 'baseline' as is_baseline,
    coalesce(captures.capture_mode, 'changes') = 'backfill' as is_backfilled,
    writes.record_id,
    writes.change_type,
    {{ batch_audit.json_list_text("writes.changed_fields") }} as changed_fields,
    writes.changed_fields as changed_fields_json,
    payloads.old_hash,
    payloads.record_hash as new_hash,
    payloads.old_value as old_values,
    payloads.new_value as new_values,
    payloads.event_id is null as values_erased,
    writes.segment,
    writes.part,
    writes.seq
from writes
left join
    {{ ref("stg_audit_payloads") }} as payloads
    on writes.event_id = payloads.event_id
    and writes.batch_month = payloads.batch_month
left join captures on writes.segment = captures.segment and writes.part = captures.part
