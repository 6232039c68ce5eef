{{ config(**batch_audit.view_config()) }}

with
    run_events as (
        select
            events.batch_id,
            events.batch_month,
            coalesce(events.invocation_id, events.segment) as invocation_id,
            events.event_type,
            events.occurred_at,
            events.actor,
            events.metadata,
            events.error_message,
            segments.writer,
            {{ batch_audit.json_text("events.metadata", "status") }} as status,
            {{ batch_audit.json_text("events.metadata", "reason") }} as reason
        from {{ ref("stg_audit_events") }} as events
        left join {{ ref("stg_audit_segments") }} as segments on events.segment = segments.segment
        where events.event_type in ('batch_start', 'batch_end')
    ),

    -- The newest end of an invocation speaks for it, and the newest end that was not written by dbt's own
    -- hooks (by the
    -- runner, or by whoever sealed the batch afterwards) speaks for all invocations that began before it
    -- and never ended.
    ranked as (
        select
            *,
            row_number() over (
                partition by batch_id, batch_month, invocation_id, event_type
                order by occurred_at desc, metadata
            ) as recency,
            max(case when event_type = 'batch_end' and writer <> 'hooks' then occurred_at end) over (
                partition by batch_id, batch_month
            ) as closed_at,
            first_value(status) over (
                partition by batch_id, batch_month
                order by
                    case
                        when event_type = 'batch_end' and writer <> 'hooks' then occurred_at
                    end desc nulls last
            ) as closing_status
        from run_events
    ),

    invocations as (
        select
            batch_id,
            batch_month,
            invocation_id,
            min(case when event_type = 'batch_start' then occurred_at end) as started_at,
            max(case when event_type = 'batch_end' then occurred_at end) as ended_at,
            max(closed_at) as closed_at,
            max(closing_status) as closing_status,
            max(case when event_type = 'batch_end' and recency = 1 then status end) as end_status,
            max(case when event_type = 'batch_end' and recency = 1 then reason end) as status_reason,
            max(case when event_type = 'batch_end' and recency = 1 then error_message end) as error_message,
            max(case when event_type = 'batch_start' and recency = 1 then actor end) as actor,
            max(case when event_type = 'batch_start' and recency = 1 then metadata end) as start_metadata
        from ranked
        group by batch_id, batch_month, invocation_id
    )

select
    batch_id,
    batch_month,
    invocation_id,
    case
        when ended_at is not null
        then coalesce(end_status, 'incomplete')
        when closed_at >= started_at
        then coalesce(closing_status, 'incomplete')
        else 'running'
    end as status,
    status_reason,
    error_message,
    started_at,
    coalesce(ended_at, case when closed_at >= started_at then closed_at end) as ended_at,
    actor,
    {{ batch_audit.json_text("start_metadata", "actor_source") }} as actor_source,
    {{ batch_audit.json_text("start_metadata", "session_user") }} as warehouse_user,
    {{ batch_audit.json_text("start_metadata", "application_name") }} as application_name,
    {{ batch_audit.json_text("start_metadata", "database") }} as database_name,
    {{ batch_audit.json_text("start_metadata", "warehouse_version") }} as warehouse_version,
    {{ batch_audit.json_text("start_metadata", "project") }} as project,
    {{ batch_audit.json_text("start_metadata", "target_name") }} as target_name,
    {{ batch_audit.json_text("start_metadata", "job") }} as job,
    {{ batch_audit.json_text("start_metadata", "command") }} as command,
    {{ batch_audit.json_text("start_metadata", "dbt_command") }} as dbt_command,
    {{ batch_audit.json_text("start_metadata", "selection") }} as selection,
    {{ batch_audit.json_text("start_metadata", "vars") }} as vars,
    {{ batch_audit.json_text("start_metadata", "git_commit") }} as git_commit,
    {{ batch_audit.json_text("start_metadata", "git_branch") }} as git_branch,
    cast({{ batch_audit.json_text("start_metadata", "git_dirty") }} as boolean) as git_dirty,
    {{ batch_audit.json_text("start_metadata", "ci_provider") }} as ci_provider,
    {{ batch_audit.json_text("start_metadata", "run_url") }} as run_url,
    {{ batch_audit.json_text("start_metadata", "host") }} as host,
    {{ batch_audit.json_text("start_metadata", "dbt_version") }} as dbt_version,
    {{ batch_audit.json_text("start_metadata", "adapter_type") }} as adapter_type,
    {{ batch_audit.json_text("start_metadata", "adapter_version") }} as adapter_version,
    {{ batch_audit.json_text("start_metadata", "package_version") }} as package_version
from invocations
