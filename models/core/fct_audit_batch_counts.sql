{{ config(**batch_audit.view_config()) }}

with
    -- What each event counts as; the metadata is parsed for the few events that have any.
    events as (
        select
            batch_id,
            batch_month,
            event_type,
            kind,
            case
                when kind in ('node', 'test')
                then
                    case
                        when
                            kind = 'test'
                            or {{ batch_audit.json_text("metadata", "resource_type") }}
                            in ('test', 'unit_test')
                        then 'test '
                        else 'node '
                    end
                    || {{ batch_audit.outcome(batch_audit.json_text("metadata", "status")) }}
            end as outcome,
            case
                when kind = 'test'
                then cast({{ batch_audit.json_text("metadata", "failures") }} as bigint)
                when kind = 'capture' and {{ batch_audit.json_text("metadata", "mode") }} = 'baseline'
                then cast({{ batch_audit.json_text("metadata", "inserts") }} as bigint)
            end as amount,
            -- What a capture counted, and not its events: audit_max_records may have kept a part of them.
            {% for name in ["inserts", "updates", "deletes"] %}
                case
                    when kind = 'capture' then cast({{ batch_audit.json_text("metadata", name) }} as bigint)
                end as {{ name }}{{ "," if not loop.last }}
            {% endfor %}
        from {{ ref("stg_audit_events") }}
    ),

    -- One pass over the events; what follows works on a few rows for each batch.
    tally as (
        select
            batch_id,
            batch_month,
            event_type,
            kind,
            outcome,
            count(*) as events,
            coalesce(sum(amount), 0) as amount,
            coalesce(sum(inserts), 0) as inserts,
            coalesce(sum(updates), 0) as updates,
            coalesce(sum(deletes), 0) as deletes
        from events
        group by batch_id, batch_month, event_type, kind, outcome
    )

select
    batch_id,
    batch_month,
    cast(sum(events) as bigint) as events,
    cast(sum(case when outcome = 'node ok' then events else 0 end) as bigint) as nodes_ok,
    cast(sum(case when outcome = 'node error' then events else 0 end) as bigint) as nodes_error,
    cast(sum(case when outcome = 'node skipped' then events else 0 end) as bigint) as nodes_skipped,
    cast(sum(case when outcome = 'test ok' then events else 0 end) as bigint) as tests_passed,
    cast(sum(case when outcome = 'test fail' then events else 0 end) as bigint) as tests_failed,
    cast(sum(case when outcome = 'test warn' then events else 0 end) as bigint) as tests_warned,
    cast(sum(case when outcome = 'test error' then events else 0 end) as bigint) as tests_errored,
    cast(sum(case when outcome = 'test skipped' then events else 0 end) as bigint) as tests_skipped,
    cast(sum(case when kind = 'test' then amount else 0 end) as bigint) as failing_rows,
    cast(sum(case when event_type = 'record_error' then events else 0 end) as bigint) as record_errors,
    cast(sum(case when kind = 'capture' then events else 0 end) as bigint) as captures,
    cast(sum(inserts) as bigint) as records_inserted,
    cast(sum(updates) as bigint) as records_updated,
    cast(sum(deletes) as bigint) as records_deleted,
    cast(sum(case when kind = 'capture' then amount else 0 end) as bigint) as records_baseline,
    cast(sum(case when event_type = 'not_captured' then events else 0 end) as bigint) as not_captured
from tally
group by batch_id, batch_month
