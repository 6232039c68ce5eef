{#
  What the last committed capture of a node says of itself (its metadata), or an empty mapping. captured_at is added
  (microseconds), and unbroken: true when no later build is known to have passed without a capture, so that what the capture
  checked still holds. A build that did not ask for one left the checkpoint of its end alone.

  Batches of a microbatch model that ran beside each other (`beside`) did not see each other, and may share a number: what
  they left together is what the first of their run left, and what each of the others changed.
#}
{% macro last_capture(unique_id) %}
    {% set node = batch_audit.text_literal(unique_id) %}
    {% set events = batch_audit.store_relation("audit_event") %}
    {% set number = batch_audit._told_number("capture_no") %}
    {% set built = batch_audit.json_text("n.metadata", "status") | trim ~ " = 'success'" %}
    {% set captures = (
        events
        ~ " as c where c.target = "
        ~ node
        ~ " and c.part <> 'end' and c.event_type = 'checkpoint' and c.record_id is null"
    ) %}
    {% set rows = run_query(
        "select c.metadata, c.occurred_at, exists (select 1 from "
        ~ events
        ~ " as n where n.target = "
        ~ node
        ~ " and n.record_id is null and n.occurred_at >= c.occurred_at and (n.event_type = 'not_captured' or"
        ~ " (n.event_type = 'checkpoint' and n.part = 'end' and n.invocation_id <> c.invocation_id and "
        ~ built
        ~ "))) as broken, c.part, c.invocation_id from "
        ~ captures
        ~ " order by "
        ~ number
        ~ " desc limit 1"
    ).rows %}
    {% if not rows | length %} {{ return({}) }}{% endif %}
    {% set last = dict(fromjson(rows[0][0], {}), captured_at=rows[0][1] | int, unbroken=not rows[0][2]) %}
    {% if rows[0]["part"] != unique_id %}
        {% do batch_audit._left_together(
            last,
            captures
            ~ " and c.invocation_id = "
            ~ batch_audit.text_literal(rows[0]["invocation_id"]),
        ) %}
    {% endif %}
    {{ return(last) }}
{% endmacro %}

{# Puts into `last` what the captures of its run (`captures`, a from clause) left together. #}
{% macro _left_together(last, captures) %}
    {% set row = run_query(
        "select count(*) - max(number) + min(number) - 1 as doubled, count(case when not is_first and rows_before is null then 1 end)"
        ~ " as unseen, coalesce(sum(rows_after - rows_before), 0) + sum(case when is_first then coalesce(rows_before,"
        ~ " rows_after) end) as rows_after, cast(coalesce(sum(after - before), 0) + sum(case when is_first then"
        ~ " coalesce(before, after) end) as text) as fingerprint from (select g.*, number = min(number) over () as is_first"
        ~ " from (select "
        ~ batch_audit._told_number("capture_no")
        ~ " as number, "
        ~ batch_audit._told_number("rows_before")
        ~ " as rows_before, "
        ~ batch_audit._told_number("rows_after")
        ~ " as rows_after, "
        ~ batch_audit._told_number("fingerprint_before", "decimal(38, 0)")
        ~ " as before, "
        ~ batch_audit._told_number("fingerprint", "decimal(38, 0)")
        ~ " as after from "
        ~ captures
        ~ ") as g) as f"
    ).rows[0] %}
    {% if row["doubled"] %}
        {# Where one of them saw no previous table, nobody knows what the others brought to that. #}
        {% do last.update(
            {
                "beside": true,
                "rows_after": row["rows_after"] | int,
                "fingerprint": none if row["unseen"] else row["fingerprint"],
            }
        ) %}
    {% endif %}
{% endmacro %}

{# A number in a capture's metadata (alias c). #}
{% macro _told_number(name, type="bigint") %}
    {{ return("cast(" ~ batch_audit.json_text("c.metadata", name) | trim ~ " as " ~ type ~ ")") }}
{% endmacro %}
