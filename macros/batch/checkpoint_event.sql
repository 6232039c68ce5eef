{# The checkpoint of one finished node (model, seed, snapshot …). #}
{% macro checkpoint_event(run, result, seq) %}
    {% set node = result.node %}
    {% set fields = batch_audit.result_fields("node", result) %}
    {% set response = result.adapter_response or {} %}
    {% do fields.update(
        {
            "materialized": node.config.materialized | default(none),
            "relation": node.relation_name | default(none),
            "rows_affected": response.get("rows_affected"),
        }
    ) %}
    {% set event = batch_audit.event_fields(run, "end", seq, "checkpoint", metadata=fields) %}
    {% do event.update(batch_audit._hashed_code(node)) %}
    {% do event.update(
        {
            "target": node.unique_id,
            "error_message": (
                fields["message"] if fields["status"] in ["error", "partial success"] else none
            ),
        }
    ) %}
    {{ return(event) }}
{% endmacro %}

{# The code that the warehouse hashes into the event's checksums. #}
{% macro _hashed_code(node) %}
    {{
        return(
            {
                "raw_code": (node.raw_code | default("", true) | replace("\x00", "")) or none,
                "compiled_code": (node.compiled_code | default("", true) | replace("\x00", "")) or none,
            }
        )
    }}
{% endmacro %}
