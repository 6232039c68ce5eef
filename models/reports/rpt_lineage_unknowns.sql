{{ config(**batch_audit.view_config()) }}

with
    told as (
        select
            batch_id,
            recorded_at,
            node_id,
            node_name,
            {{ batch_audit.json_elements("coalesce(unknown_columns, '[]')") }} as unknown
        from {{ ref("fct_lineage_records") }}
        where is_current and node_id is not null
    )

select
    batch_id,
    recorded_at,
    node_id,
    node_name,
    {{ batch_audit.json_text("unknown", "column") }} as column_name,
    {{ batch_audit.json_text("unknown", "reason") }} as reason,
    {{ batch_audit.json_text("unknown", "sql") }} as sql_text
from told
