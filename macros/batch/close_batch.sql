{#
  on-run-end: records what every node and test did, the failing rows of tests, the models that asked for capture and were
  not captured, and the end of this invocation; then seals its segment. All of it commits together or not at all.
  dbt skips our on-run-start after another one has failed, and goes on with the nodes: the batch starts here then.
#}
{% macro close_batch(results) %}
    {% if not batch_audit.is_audited() %} {{ return("") }}{% endif %}
    {% set run = batch_audit.run_context() %}
    {% set is_open = batch_audit.segment_is_open(run["segment"]) %}
    {% if is_open is none %} {% do batch_audit.open_batch() %}
    {% elif not is_open %} {{ return("") }}
    {% endif %}
    {% set captured = batch_audit.captured_counts(run["segment"]) %}
    {% set failing_rows = [] %}
    {% for result in results if result.status | string in ["fail", "warn"] %}
        {% do failing_rows.append(batch_audit.failing_rows_sql(run, result)) %}
    {% endfor %}
    {% set events = batch_audit.result_events(run, results, captured) %}
    {% set totals = batch_audit.batch_totals(results, captured) %}
    {% if not failing_rows %} {% do totals.update({"record_errors": 0}) %} {% endif %}
    {% set end = batch_audit.event_fields(run, "end", events | length + 1, "batch_end", metadata=totals) %}
    {{ batch_audit.begin_sql() }}
    {{ batch_audit.lock_sql(none, run["segment"]) }}
    {{ failing_rows | join("") }}
    {% if failing_rows %}
        {# Only the warehouse knows how many rows the tests' queries give. #}
        {% set errors %}
            ',"record_errors":' || (
                select count(*)
                from {{ batch_audit.store_relation("audit_event") }}
                where
                    segment = {{ batch_audit.text_literal(run["segment"]) }}
                    and event_type = 'record_error'
            )
        {% endset %}
        {{ batch_audit.insert_events_sql(events) }}
        {{ batch_audit.insert_events_sql([end], errors) }}
    {% else %} {{ batch_audit.insert_events_sql(events + [end]) }}
    {% endif %}
    {{ batch_audit.seal_sql(run["segment"]) }}
    commit
    ;
{% endmacro %}
