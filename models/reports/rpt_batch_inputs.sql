{{ config(**batch_audit.view_config()) }}

with
    reads as (
        select
            event_id,
            batch_id,
            batch_month,
            invocation_id,
            part,
            occurred_at,
            source,
            target,
            metadata,
            {{ batch_audit.json_text("metadata", "reason") }} as reason,
            {% for name in [
                "rows_read",
                "rows_written",
                "rows_skipped",
                "rows_null_key",
                "records_skipped",
                "skips_not_stored",
                "records_without_input",
            ] %}
                cast(
                    {{ batch_audit.json_text("metadata", name) }} as bigint
                ) as {{ name }}{{ "," if not loop.last }}
            {% endfor %}
        from {{ ref("stg_audit_events") }}
        where event_type = 'record_read' and record_id is null
    )

select
    event_id,
    batch_id,
    batch_month,
    invocation_id,
    part,
    occurred_at as counted_at,
    target as node_id,
    {{ batch_audit.node_name("target") }} as node_name,
    source as input_id,
    {{ batch_audit.node_name("source") }} as input_name,
    {{ batch_audit.json_text("metadata", "relation") }} as input_relation,
    {{ batch_audit.json_list_text(batch_audit.json_text("metadata", "input_key")) }} as input_key,
    {{ batch_audit.json_text("metadata", "rule") }} as input_rule,
    {{ batch_audit.json_text("metadata", "compared_by") }} as compared_by,
    rows_read,
    rows_written,
    rows_skipped,
    -- What is neither in the model nor left out for a reason that is known; unknown where keys were not
    -- compared.
    case
        when reason like 'filter: %' then rows_null_key else rows_skipped + rows_null_key
    end as rows_not_explained,
    rows_null_key,
    records_skipped,
    coalesce(skips_not_stored, 0) as records_not_stored,
    records_without_input,
    reason,
    {{ batch_audit.json_text("metadata", "note") }} as note
from reads
