{#
  on-run-end: records what every node and test did, the failing rows of tests, the models that asked for capture and were
  not captured, and the end of this invocation; then seals its segment. All of it commits together or not at all.
#}
{% macro close_batch(results) %}
    {% if not batch_audit.is_audited() %} {{ return("") }}{% endif %}
    {% set run = batch_audit.run_context() %}
    {% if not batch_audit.segment_is_open(run["segment"]) %} {{ return("") }} {% endif %}
    {% set captured = batch_audit.captured_counts(run["segment"]) %}
    {% set failing_rows = [] %}
    {% for result in results if batch_audit.is_test(result.node) and result.status | string in ["fail", "warn"] %}
        {% do failing_rows.append(batch_audit.failing_rows_sql(run, result)) %}
    {% endfor %}
    {% set events = batch_audit.result_events(run, results, captured) %}
    {% set end = batch_audit.event_fields(
        run,
        "end",
        events | length + 1,
        "batch_end",
        metadata=batch_audit.batch_totals(results, captured),
    ) %}
    {% do events.append(end) %}
    {{ batch_audit.begin_sql() }}
    {{ failing_rows | join("") }}
    {{ batch_audit.insert_events_sql(events) }}
    {{ batch_audit.seal_sql(run["segment"]) }}
    commit
    ;
{% endmacro %}
