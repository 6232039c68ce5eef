{# One event as a mapping of audit_event's columns, ready for insert_events_sql. Extra fields come as keyword arguments. #}
{% macro event_fields(run, part, seq, event_type, occurred_at=none, metadata=none) %}
    {% set event = {
        "segment": run["segment"],
        "part": part,
        "seq": seq,
        "batch_id": run["batch_id"],
        "batch_month": run["batch_month"],
        "event_type": event_type,
        "occurred_at": occurred_at or batch_audit.now_microseconds(),
        "invocation_id": invocation_id,
        "actor": run["actor"],
        "metadata": tojson(metadata) if metadata is not none else none,
    } %}
    {% do event.update(kwargs) %}
    {{ return(event) }}
{% endmacro %}
