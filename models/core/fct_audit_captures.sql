{{ config(**batch_audit.view_config()) }}

select
    event_id,
    batch_id,
    batch_month,
    invocation_id,
    segment,
    part,
    occurred_at as captured_at,
    target as node_id,
    {{ batch_audit.node_name("target") }} as node_name,
    {{ batch_audit.json_text("metadata", "relation") }} as relation,
    cast({{ batch_audit.json_text("metadata", "capture_no") }} as bigint) as capture_no,
    {{ batch_audit.json_text("metadata", "mode") }} as capture_mode,
    {{ batch_audit.json_list_text(batch_audit.json_text("metadata", "key")) }} as record_key,
    {{ batch_audit.json_text("metadata", "key_rule") }} as key_rule,
    {{ batch_audit.json_list_text(batch_audit.json_text("metadata", "ignored")) }} as ignored_columns,
    {{ batch_audit.json_text("metadata", "columns") }} as captured_columns,
    cast({{ batch_audit.json_text("metadata", "rows_before") }} as bigint) as rows_before,
    cast({{ batch_audit.json_text("metadata", "rows_after") }} as bigint) as rows_after,
    cast({{ batch_audit.json_text("metadata", "inserts") }} as bigint) as records_inserted,
    cast({{ batch_audit.json_text("metadata", "updates") }} as bigint) as records_updated,
    cast({{ batch_audit.json_text("metadata", "deletes") }} as bigint) as records_deleted,
    cast(
        coalesce({{ batch_audit.json_text("metadata", "not_stored") }}, '0') as bigint
    ) as records_not_stored,
    {{ batch_audit.json_text("metadata", "fingerprint") }} as fingerprint,
    {{ batch_audit.json_text("metadata", "note") }} as note
from {{ ref("stg_audit_events") }}
where event_type = 'checkpoint' and kind = 'capture'
