{{ config(**batch_audit.view_config()) }}

with
    -- The first and the last block of each segment; a segment that is not in here is unsealed.
    sealed_segments as (
        select segment, min(block_no) as first_block, max(block_no) as last_block
        from {{ ref("stg_audit_blocks") }}
        group by segment
    ),

    -- The population: every batch that registered a segment, whether or not it came any further.
    registered as (
        select
            segments.batch_id,
            segments.batch_month,
            min(segments.opened_at) as opened_at,
            count(*) as segments,
            count(*) - count(sealed_segments.segment) as segments_unsealed,
            min(sealed_segments.first_block) as first_block,
            max(sealed_segments.last_block) as last_block
        from {{ ref("stg_audit_segments") }} as segments
        left join sealed_segments on segments.segment = sealed_segments.segment
        group by segments.batch_id, segments.batch_month
    ),

    -- Several invocations: a batch that still runs says so; then the worst wins, as in Python (statuses.py).
    weighed as (
        select
            *,
            case
                status
                when 'running'
                then 1
                when 'incomplete'
                then 2
                when 'error'
                then 3
                when 'interrupted'
                then 4
                when 'success'
                then 5
                when 'nothing_selected'
                then 6
                else 0
            end as goodness
        from {{ ref("fct_audit_invocations") }}
    ),

    -- One row per invocation with what holds for its batch; the first invocation then stands for the batch.
    invocations as (
        select
            weighed.*,
            row_number() over (
                partition by batch_id, batch_month order by started_at nulls last, invocation_id
            ) as position,
            count(*) over (partition by batch_id, batch_month) as invocations,
            min(started_at) over (partition by batch_id, batch_month) as batch_started_at,
            max(ended_at) over (partition by batch_id, batch_month) as batch_ended_at,
            first_value(status) over worst_first as batch_status,
            first_value(status_reason) over worst_first as batch_status_reason,
            first_value(error_message) over worst_first as batch_error_message
        from weighed
        window
            worst_first as (partition by batch_id, batch_month order by goodness, started_at, invocation_id)
    )

select
    registered.batch_id,
    registered.batch_month,
    invocations.job,
    invocations.actor,
    invocations.actor_source,
    invocations.warehouse_user,
    invocations.application_name,
    invocations.database_name,
    invocations.warehouse_version,
    invocations.project,
    invocations.target_name,
    invocations.command,
    invocations.dbt_command,
    invocations.selection,
    invocations.vars,
    invocations.git_commit,
    invocations.git_branch,
    invocations.git_dirty,
    invocations.ci_provider,
    invocations.run_url,
    invocations.host,
    invocations.dbt_version,
    invocations.adapter_type,
    invocations.adapter_version,
    invocations.package_version,
    coalesce(invocations.batch_status, 'incomplete') as status,
    invocations.batch_status_reason as status_reason,
    invocations.batch_error_message as error_message,
    cast(coalesce(invocations.invocations, 0) as bigint) as invocations,
    coalesce(invocations.batch_started_at, registered.opened_at) as started_at,
    case when invocations.batch_status <> 'running' then invocations.batch_ended_at end as ended_at,
    cast(
        extract(
            epoch
            from
                case
                    when invocations.batch_status <> 'running'
                    then
                        invocations.batch_ended_at
                        - coalesce(invocations.batch_started_at, registered.opened_at)
                end
        ) as numeric(18, 3)
    ) as duration_s,
    coalesce(counts.events, 0) as events,
    coalesce(counts.nodes_ok, 0) as nodes_ok,
    coalesce(counts.nodes_error, 0) as nodes_error,
    coalesce(counts.nodes_skipped, 0) as nodes_skipped,
    coalesce(counts.tests_passed, 0) as tests_passed,
    coalesce(counts.tests_failed, 0) as tests_failed,
    coalesce(counts.tests_warned, 0) as tests_warned,
    coalesce(counts.tests_errored, 0) as tests_errored,
    coalesce(counts.tests_skipped, 0) as tests_skipped,
    coalesce(counts.failing_rows, 0) as failing_rows,
    coalesce(counts.record_errors, 0) as record_errors,
    coalesce(counts.captures, 0) as captures,
    coalesce(counts.records_inserted, 0) as records_inserted,
    coalesce(counts.records_updated, 0) as records_updated,
    coalesce(counts.records_deleted, 0) as records_deleted,
    coalesce(counts.records_baseline, 0) as records_baseline,
    coalesce(counts.not_captured, 0) as not_captured,
    registered.segments,
    registered.segments_unsealed,
    registered.first_block,
    registered.last_block,
    registered.segments_unsealed = 0 as sealed
from registered
left join
    invocations
    on registered.batch_id = invocations.batch_id
    and registered.batch_month = invocations.batch_month
    and invocations.position = 1
left join
    {{ ref("fct_audit_batch_counts") }} as counts
    on registered.batch_id = counts.batch_id
    and registered.batch_month = counts.batch_month
