{#
  Completes one event (what event_fields returned, with its seq) to what one result says: the checkpoint of a finished
  node, or what a test found: validation_pass or validation_fail (also for a warning, whose severity says so, and for a
  test that could not run). A test that was skipped proves nothing and is a checkpoint.
  One macro does it all, because a call costs 30 microseconds and there are as many results as nodes and tests.
#}
{% macro result_event(event, result, max_rows) %}
    {% set node, status = result.node, result.status | string %}
    {% set is_test = node.resource_type | string in ["test", "unit_test"] %}
    {% set times, epoch = [], modules.datetime.datetime(1970, 1, 1) %}
    {% for step in result.timing or [] if step.name in ["compile", "execute"] %}
        {% for moment in [step.started_at, step.completed_at] if moment %}
            {# Integers only: a float loses microseconds. #}
            {% set elapsed = moment.replace(tzinfo=none) - epoch %}
            {% do times.append((elapsed.days * 86400 + elapsed.seconds) * 1000000 + elapsed.microseconds) %}
        {% endfor %}
    {% endfor %}
    {% set message = none if result.message is none else result.message | string | replace("\x00", "") %}
    {% set fields = {
        "kind": "test" if is_test and status != "skipped" else "node",
        "resource_type": node.resource_type | string,
        "name": node.name,
        "status": status,
        "started_at": times | min if times else none,
        "completed_at": times | max if times else none,
        "execution_us": ((result.execution_time or 0) * 1000000) | round | int,
        "thread_id": result.thread_id,
        "message": message,
    } %}
    {% if is_test %}
        {% set cap = [max_rows, node.config.limit | int] | min if node.config.limit else max_rows %}
        {% set counts_rows = node.config.fail_calc | default("count(*)") == "count(*)" %}
        {% do fields.update(
            {
                "failures": result.failures,
                "severity": (node.config.severity | default(none)) and node.config.severity | lower,
                "column_name": node.column_name | default(none),
                "limit": node.config.limit | default(none),
                "fail_calc": node.config.fail_calc | default(none),
                "rows_capped": (result.failures or 0) > cap and counts_rows,
                "rows_reason": (
                    batch_audit._no_rows_reason(node, status, cap) if status != "pass" else none
                ),
            }
        ) %}
    {% else %}
        {% do fields.update(
            {
                "materialized": node.config.materialized | default(none),
                "relation": node.relation_name | default(none),
                "rows_affected": (result.adapter_response or {}).get("rows_affected"),
            }
        ) %}
    {% endif %}
    {% set validated = fields["kind"] == "test" %}
    {% do event.update(
        {
            "event_type": (
                "checkpoint"
                if not validated
                else "validation_pass" if status == "pass" else "validation_fail"
            ),
            "target": batch_audit.tested_node(node) if validated else node.unique_id,
            "metadata": tojson(fields),
            "error_message": (
                message
                if (validated and status != "pass") or status in ["error", "partial success"]
                else none
            ),
            "raw_code": (node.raw_code | default("", true) | replace("\x00", "")) or none,
            "compiled_code": (node.compiled_code | default("", true) | replace("\x00", "")) or none,
        }
    ) %}
    {% if validated %} {% do event.update({"source": node.unique_id}) %} {% endif %}
    {{ return(event) }}
{% endmacro %}

{# Why no failing row of a test can be recorded; none when its rows can be. #}
{% macro _no_rows_reason(test, status, cap) %}
    {% if status not in ["fail", "warn"] %} {{ return("the test was not evaluated") }}
    {% elif test.resource_type | string != "test" %}
        {{ return("a unit test has no rows of the warehouse: the message shows what differs") }}
    {% elif cap < 1 %} {{ return("batch_audit_max_test_rows is " ~ cap) }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}
