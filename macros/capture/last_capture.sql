{# What the last committed capture of a node says of itself (its metadata), or an empty mapping. #}
{% macro last_capture(unique_id) %}
    {% set node = batch_audit.text_literal(unique_id) %}
    {% set rows = run_query(
        "select metadata from "
        ~ batch_audit.store_relation("audit_event")
        ~ " where target = "
        ~ node
        ~ " and part = "
        ~ node
        ~ " and event_type = 'checkpoint' and record_id is null order by occurred_at desc limit 1"
    ).rows %}
    {{ return(fromjson(rows[0][0], {}) if rows | length else {}) }}
{% endmacro %}
