{#
  What one test found: validation_pass or validation_fail (also for a warning, whose severity says so, and for a test
  that could not run). A test that was skipped proves nothing and is a checkpoint.
#}
{% macro validation_event(run, result, seq) %}
    {% set node = result.node %}
    {% set fields = batch_audit.result_fields("test", result) %}
    {% set status = fields["status"] %}
    {% set cap = batch_audit._failing_rows_cap(node) %}
    {% set counts_rows = node.config.fail_calc | default("count(*)") == "count(*)" %}
    {% do fields.update(
        {
            "failures": result.failures,
            "severity": (node.config.severity | default(none)) and node.config.severity | lower,
            "column_name": node.column_name | default(none),
            "limit": node.config.limit | default(none),
            "fail_calc": node.config.fail_calc | default(none),
            "rows_capped": (result.failures or 0) > cap and counts_rows,
            "rows_reason": batch_audit._no_rows_reason(node, status, cap),
        }
    ) %}
    {% set event_type = {"pass": "validation_pass", "skipped": "checkpoint"}.get(status, "validation_fail") %}
    {% if event_type == "checkpoint" %} {% do fields.update({"kind": "node"}) %} {% endif %}
    {% set event = batch_audit.event_fields(run, "end", seq, event_type, metadata=fields) %}
    {% do event.update(batch_audit._hashed_code(node)) %}
    {% do event.update({"error_message": fields["message"] if event_type == "validation_fail" else none}) %}
    {% do event.update(
        {"target": node.unique_id}
        if event_type == "checkpoint"
        else {"target": batch_audit.tested_node(node), "source": node.unique_id}
    ) %}
    {{ return(event) }}
{% endmacro %}

{# Why no failing row of a test can be recorded; none when its rows can be, or when it has none. #}
{% macro _no_rows_reason(test, status, cap) %}
    {% if status == "pass" %} {{ return(none) }}
    {% elif status not in ["fail", "warn"] %} {{ return("the test was not evaluated") }}
    {% elif test.resource_type | string != "test" %}
        {{ return("a unit test has no rows of the warehouse: the message shows what differs") }}
    {% elif cap < 1 %} {{ return("batch_audit_max_test_rows is " ~ cap) }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}
