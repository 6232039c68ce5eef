{#
  The events of a run's results, in part `end`: a checkpoint for every node, a validation for every test that was
  evaluated, and not_captured for every model that asked for capture, was built and left no capture event.
#}
{% macro result_events(run, results, captured) %}
    {% set events, built = [], [] %}
    {% set event = batch_audit.event_fields(run, "end", 0, none) %}
    {% set max_rows = batch_audit.setting("batch_audit_max_test_rows") | int %}
    {% for result in results %}
        {% do events.append(batch_audit.result_event(dict(event, seq=loop.index), result, max_rows)) %}
    {% endfor %}
    {% for result in results if result.node.resource_type | string in ["model", "seed", "snapshot"] and result.status | string == "success" %}
        {% do built.append(graph.nodes.get(result.node.unique_id)) %}
    {% endfor %}
    {# dbt reports no result of an ephemeral model: it lives in those that read it. #}
    {% for unique_id in selected_resources %}
        {% set node = graph.nodes.get(unique_id) %}
        {% if node and node.config.materialized == "ephemeral" %} {% do built.append(node) %} {% endif %}
    {% endfor %}
    {% for node in built %}
        {% set asked = (node.config.get("meta") or {}).get("audit_capture") if node %}
        {% set obstacle = none %}
        {% if node and (node.database or target.database) | lower != target.database | lower %}
            {% set asked = asked or ("changes" if "batch_audit.capture_changes" in node.config.get("post-hook") | string) %}
            {% set obstacle = batch_audit.capture_obstacle(
                api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)
            ) if asked %}
        {% endif %}
        {% if asked and asked not in ["none", "off"] and node.unique_id not in captured %}
            {# A word that only asks_for_capture would refuse must not cost the whole batch its end. #}
            {% set reason = "the model was built and no capture ran: " ~ (
                "audit_capture is '" ~ asked ~ "', which batch_audit does not know"
                if asked != "changes"
                else (
                    batch_audit.no_capture_reason(node)
                    or obstacle
                    or (
                        batch_audit.no_capture_reason(node, true)
                        if batch_audit.captured_without_hook(node)
                        else "the hook {{ batch_audit.capture() }} is missing from its post-hooks or was overridden"
                    )
                )
            ) %}
            {% do exceptions.warn(
                node.name
                ~ ": its record changes are not captured: "
                ~ reason
                ~ ". `batch-audit doctor` says what to do."
            ) %}
            {% set event = batch_audit.event_fields(
                run,
                "end",
                events | length + 1,
                "not_captured",
                metadata={"reason": reason, "materialized": node.config.materialized},
            ) %}
            {% do event.update({"target": node.unique_id}) %}
            {% do events.append(event) %}
        {% endif %}
    {% endfor %}
    {{ return(events) }}
{% endmacro %}
