{{ config(**batch_audit.view_config()) }}

with
    writes as (
        select
            events.event_id,
            events.batch_id,
            events.batch_month,
            events.occurred_at,
            events.actor,
            events.target,
            events.record_id,
            events.change_type,
            events.changed_fields,
            payloads.old_value,
            payloads.new_value
        from {{ ref("stg_audit_events") }} as events
        left join
            {{ ref("stg_audit_payloads") }} as payloads
            on events.event_id = payloads.event_id
            and events.batch_month = payloads.batch_month
        where events.event_type = 'record_write'
    ),

    -- An update has the fields that differ; they are known even when the values have been erased.
    updated as (
        select *, {{ batch_audit.json_elements("changed_fields") }} as field
        from writes
        where change_type = 'update'
    ),

    -- An insert or a delete has every field of the record.
    whole as (
        select *, {{ batch_audit.json_keys("coalesce(new_value, old_value)") }} as field
        from writes
        where change_type <> 'update'
    ),

    fields as (
        select *
        from updated
        union all
        select *
        from whole
    ),

    valued as (
        select
            *,
            {{ batch_audit.json_field_text("old_value", "field") }} as old_text,
            {{ batch_audit.json_field_text("new_value", "field") }} as new_text
        from fields
    )

select
    event_id,
    field,
    batch_id,
    batch_month,
    occurred_at as changed_at,
    actor,
    target as node_id,
    {{ batch_audit.node_name("target") }} as node_name,
    record_id,
    change_type,
    old_text as old_value,
    new_text as new_value,
    old_value is null and new_value is null as values_erased
from valued
where change_type = 'update' or old_text is not null or new_text is not null
