{#
  What one test found: validation_pass or validation_fail (also for a warning, whose severity says so, and for a test
  that could not run). A test that was skipped proves nothing and is a checkpoint.
#}
{% macro validation_event(run, result, seq) %}
    {% set node = result.node %}
    {% set fields = batch_audit.result_fields("test", result) %}
    {% set status = fields["status"] %}
    {% do fields.update(
        {
            "failures": result.failures,
            "severity": node.config.severity | default(none),
            "column_name": node.column_name | default(none),
            "rows_capped": (result.failures or 0)
            > batch_audit.setting("batch_audit_max_test_rows") | int,
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
