{#
  Says once that this model's changes are not captured, and records it: what was not seen is never left blank. On-run-end
  does both for a model in another database than the store's, because one transaction may write one database only.
#}
{% macro not_captured_sql(reason) %}
    {% if this.database | lower != target.database | lower %} {{ return("") }}{% endif %}
    {% do exceptions.warn(model.name ~ ": its record changes are not captured: " ~ reason ~ ".") %}
    {% set event = batch_audit.event_fields(
        batch_audit.run_context(),
        batch_audit.capture_part(),
        1,
        "not_captured",
        metadata={"reason": reason, "materialized": model.config.materialized},
    ) %}
    {% do event.update({"target": model.unique_id}) %}
    {{ return(batch_audit.insert_events_sql([event])) }}
{% endmacro %}
