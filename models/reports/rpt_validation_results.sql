{{ config(**batch_audit.view_config()) }}

with
    -- A test that was skipped proves nothing: the store keeps it as a node's checkpoint, with the test as
    -- its target.
    tests as (
        select
            event_id,
            batch_id,
            batch_month,
            invocation_id,
            event_type,
            coalesce(source, target) as test_id,
            case when source is not null then target end as node_id,
            metadata,
            error_message,
            cast({{ batch_audit.json_text("metadata", "execution_us") }} as bigint) as execution_us
        from {{ ref("stg_audit_events") }}
        where
            event_type in ('validation_pass', 'validation_fail')
            or (
                event_type = 'checkpoint'
                and kind = 'node'
                and {{ batch_audit.json_text("metadata", "resource_type") }} in ('test', 'unit_test')
            )
    ),

    recorded as (
        select
            batch_id,
            batch_month,
            invocation_id,
            source,
            count(*) as rows_recorded,
            max({{ batch_audit.json_text("metadata", "rows_capped") }}) as rows_capped
        from {{ ref("stg_audit_events") }}
        where event_type = 'record_error'
        group by batch_id, batch_month, invocation_id, source
    )

select
    tests.event_id,
    tests.batch_id,
    tests.batch_month,
    tests.invocation_id,
    tests.test_id,
    coalesce(
        {{ batch_audit.json_text("tests.metadata", "name") }}, {{ batch_audit.test_name("tests.test_id") }}
    ) as test_name,
    tests.node_id,
    {{ batch_audit.node_name("tests.node_id") }} as node_name,
    {{ batch_audit.json_text("tests.metadata", "column_name") }} as column_name,
    {{ batch_audit.json_text("tests.metadata", "status") }} as status,
    tests.event_type = 'validation_pass' as passed,
    {{ batch_audit.json_text("tests.metadata", "severity") }} as severity,
    cast({{ batch_audit.json_text("tests.metadata", "failures") }} as bigint) as failures,
    coalesce(recorded.rows_recorded, 0) as rows_recorded,
    coalesce(
        recorded.rows_capped = 'true',
        cast({{ batch_audit.json_text("tests.metadata", "rows_capped") }} as boolean),
        false
    ) as rows_capped,
    case
        when tests.event_type = 'validation_pass' or recorded.rows_recorded > 0
        then null
        else
            coalesce(
                {{ batch_audit.json_text("tests.metadata", "rows_reason") }},
                case
                    when tests.event_type = 'checkpoint'
                    then 'the test was not evaluated'
                    else 'no row came back when the query of the test was run again for the record'
                end
            )
    end as rows_reason,
    {{ batch_audit.metadata_time("tests.metadata", "started_at") }} as started_at,
    {{ batch_audit.metadata_time("tests.metadata", "completed_at") }} as ended_at,
    cast(tests.execution_us / 1000000.0 as numeric(18, 6)) as duration_s,
    {{ batch_audit.json_text("tests.metadata", "thread_id") }} as thread_id,
    coalesce(tests.error_message, {{ batch_audit.json_text("tests.metadata", "message") }}) as message,
    {{ batch_audit.json_text("tests.metadata", "compiled_checksum") }} as compiled_checksum
from tests
left join
    recorded
    on tests.batch_id = recorded.batch_id
    and tests.batch_month = recorded.batch_month
    and tests.invocation_id = recorded.invocation_id
    and tests.test_id = recorded.source
