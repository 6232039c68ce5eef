{# The metadata of batch_end: status and counts over this invocation's nodes, tests and captured records. #}
{% macro batch_totals(results, captured) %}
    {% set totals = {
        "status": "success",
        "nodes": 0,
        "ok": 0,
        "errors": 0,
        "skipped": 0,
        "tests_passed": 0,
        "tests_failed": 0,
        "tests_warned": 0,
        "tests_errored": 0,
        "tests_skipped": 0,
        "inserts": 0,
        "updates": 0,
        "deletes": 0,
        "reason": none,
    } %}
    {% set node_counter = {
        "success": "ok",
        "error": "errors",
        "partial success": "errors",
        "skipped": "skipped",
    } %}
    {% set test_counter = {
        "pass": "tests_passed",
        "fail": "tests_failed",
        "warn": "tests_warned",
        "error": "tests_errored",
        "skipped": "tests_skipped",
    } %}
    {% for result in results %}
        {% set status = result.status | string %}
        {% set is_test = result.node.resource_type | string in ["test", "unit_test"] %}
        {% if not is_test %} {% do totals.update({"nodes": totals["nodes"] + 1}) %} {% endif %}
        {% set counter = (test_counter if is_test else node_counter).get(status) %}
        {% if counter %} {% do totals.update({counter: totals[counter] + 1}) %} {% endif %}
        {% if status in ["error", "fail", "partial success", "runtime error"] %}
            {% do totals.update({"status": "error"}) %}
        {% endif %}
    {% endfor %}
    {% for counts in captured.values() %}
        {% for kind in ["inserts", "updates", "deletes"] %}
            {% do totals.update({kind: totals[kind] + counts[kind]}) %}
        {% endfor %}
    {% endfor %}
    {{ return(totals) }}
{% endmacro %}
