{{ config(**batch_audit.view_config()) }}

with
    numbered as (
        select
            captures.*,
            row_number() over (
                partition by node_id
                -- What was backfilled lies before all captures, whenever it was written.
                order by
                    case when capture_mode = 'backfill' then 1 else 0 end,
                    captured_at desc,
                    capture_no desc,
                    event_id
            ) as recency,
            count(*) over (partition by node_id) as captures,
            min(captured_at) over (partition by node_id) as first_captured_at,
            max(captured_at) over (partition by node_id) as last_captured_at,
            sum(coalesce(records_inserted, 0)) over (partition by node_id) as inserted,
            sum(coalesce(records_updated, 0)) over (partition by node_id) as updated,
            sum(coalesce(records_deleted, 0)) over (partition by node_id) as deleted
        from {{ ref("fct_audit_captures") }} as captures
    )

select
    node_id,
    node_name,
    relation,
    record_key,
    key_rule,
    ignored_columns,
    captured_columns,
    captures,
    first_captured_at,
    last_captured_at,
    batch_id as last_batch_id,
    capture_no as last_capture_no,
    capture_mode as last_capture_mode,
    rows_after as last_row_count,
    cast(inserted as bigint) as records_inserted,
    cast(updated as bigint) as records_updated,
    cast(deleted as bigint) as records_deleted
from numbered
where recency = 1
