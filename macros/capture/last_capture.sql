{#
  What the last committed capture of a node says of itself (its metadata), or an empty mapping. captured_at is added
  (microseconds), and unbroken: true when no later build is known to have passed without a capture, so that what the capture
  checked still holds. A build that did not ask for one left the checkpoint of its end alone.
#}
{% macro last_capture(unique_id) %}
    {% set node = batch_audit.text_literal(unique_id) %}
    {% set events = batch_audit.store_relation("audit_event") %}
    {% set number = "cast(" ~ (batch_audit.json_text("c.metadata", "capture_no") | trim) ~ " as bigint)" %}
    {% set built = batch_audit.json_text("n.metadata", "status") | trim ~ " = 'success'" %}
    {% set rows = run_query(
        "select c.metadata, c.occurred_at, exists (select 1 from "
        ~ events
        ~ " as n where n.target = "
        ~ node
        ~ " and n.record_id is null and n.occurred_at >= c.occurred_at and (n.event_type = 'not_captured' or"
        ~ " (n.event_type = 'checkpoint' and n.part = 'end' and n.invocation_id <> c.invocation_id and "
        ~ built
        ~ "))) as broken from "
        ~ events
        ~ " as c where c.target = "
        ~ node
        ~ " and c.part <> 'end' and c.event_type = 'checkpoint' and c.record_id is null order by "
        ~ number
        ~ " desc limit 1"
    ).rows %}
    {% if not rows | length %} {{ return({}) }}{% endif %}
    {{ return(dict(fromjson(rows[0][0], {}), captured_at=rows[0][1] | int, unbroken=not rows[0][2])) }}
{% endmacro %}
