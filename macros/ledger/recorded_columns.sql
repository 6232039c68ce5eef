{# The columns that events written by one insert_recorded_sql share, as a select list. #}
{% macro recorded_columns(run, event_type, part, occurred_at) %}
    {% set text = batch_audit.text_literal %}
    {{ text(run["segment"]) }} as segment,
    {{ text(part) }} as part,
    {{ text(run["batch_id"]) }} as batch_id,
    {{ text(run["batch_month"]) }} as batch_month,
    {{ text(event_type) }} as event_type,
    cast({{ occurred_at }} as bigint) as occurred_at,
    {{ text(invocation_id) }} as invocation_id,
    {{ text(run["actor"]) if run["actor"] else "cast(null as text)" }} as actor
{% endmacro %}
