{#
  dbt calls this for whatever it has built, inside the transaction and after the rows have changed. Seeds and snapshots are
  captured here because the hook of `models:` does not reach them, microbatch models because dbt runs their post-hooks for
  the last batch alone. dbt's own answer is returned.
#}
{% macro default__persist_docs(relation, model, for_relation, for_columns) %}
    {% if execute and (model.config.get("meta") or {}).get(
        "audit_capture"
    ) and batch_audit.captured_without_hook(model) %}
        {% set sql = (
            batch_audit.capture_changes(hooked=false) if batch_audit.asks_for_capture(model) else ""
        ) %}
        {% if sql | trim %} {% do run_query(sql) %} {% endif %}
    {% endif %}
    {{ return(batch_audit.adapters_own("persist_docs")(relation, model, for_relation, for_columns)) }}
{% endmacro %}
