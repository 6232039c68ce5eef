{# What every result says, whatever its node is: the metadata that checkpoints and validations share. #}
{% macro result_fields(kind, result) %}
    {% set node = result.node %}
    {% set timing = {} %}
    {% for step in result.timing or [] %} {% do timing.update({step.name: step}) %} {% endfor %}
    {% set first = timing.get("compile") or timing.get("execute") %}
    {% set last = timing.get("execute") or timing.get("compile") %}
    {{
        return(
            {
                "kind": kind,
                "resource_type": node.resource_type | string,
                "name": node.name,
                "status": result.status | string,
                "started_at": batch_audit.microseconds_of(first.started_at) if first else none,
                "completed_at": batch_audit.microseconds_of(last.completed_at) if last else none,
                "execution_us": ((result.execution_time or 0) * 1000000) | round | int,
                "thread_id": result.thread_id,
                "message": (
                    (result.message | string | replace("\x00", "")) if result.message is not none else none
                ),
            }
        )
    }}
{% endmacro %}
