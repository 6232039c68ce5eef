{{ config(**batch_audit.view_config()) }}

select
    event_id,
    batch_id,
    batch_month,
    job,
    changed_at,
    actor,
    git_commit,
    node_name,
    relation,
    record_id,
    change_type,
    changed_fields,
    old_values,
    new_values,
    is_baseline,
    is_backfilled,
    values_erased,
    node_id
from {{ ref("fct_record_changes") }}
