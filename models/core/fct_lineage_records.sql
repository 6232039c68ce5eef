{{ config(**batch_audit.view_config()) }}

select
    event_id,
    batch_id,
    batch_month,
    segment,
    target as node_id,
    {{ batch_audit.node_name("target") }} as node_name,
    {{ batch_audit.json_text("metadata", "status") }} as status,
    occurred_at as recorded_at,
    -- A node's lineage holds until the node is recorded again.
    lead(occurred_at) over (partition by target order by occurred_at, segment) as replaced_at,
    lead(segment) over (partition by target order by occurred_at, segment) is null as is_current,
    lag(segment) over (partition by target order by occurred_at, segment) as previous_segment,
    {{ batch_audit.json_text("metadata", "sql_hash") }} as sql_hash,
    cast({{ batch_audit.json_text("metadata", "edges") }} as bigint) as edges,
    {{ batch_audit.json_text("metadata", "columns") }} as column_names,
    {{ batch_audit.json_text("metadata", "columns_from") }} as columns_from,
    {{ batch_audit.json_text("metadata", "personal") }} as personal_columns,
    {{ batch_audit.json_text("metadata", "unknown") }} as unknown_columns,
    error_message
from {{ ref("stg_audit_events") }}
where event_type = 'lineage'
