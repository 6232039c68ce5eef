{#
  The post-hook that `batch-audit init` writes for all models: captures the record changes of a model whose meta asks
  for it (`audit_capture: changes`), and does nothing for the others.
#}
{% macro capture() %}
    {# First and without calling a macro: this runs for every model, and dbt makes a module of each macro that it calls. #}
    {% if not execute or not (model.config.get("meta") or {}).get("audit_capture") %}
        {{ return("") }}
    {% endif %}
    {% if not batch_audit.is_audited() or not batch_audit.asks_for_capture(model) %}
        {{ return("") }}
    {% endif %}
    {% if batch_audit.captured_without_hook(model) %} {{ return("") }}{% endif %}
    {# A line in the model itself is more specific; capturing twice would store everything twice. #}
    {% for hook in model.config.get("post-hook") or [] %}
        {% if "capture_changes" in hook["sql"] %} {{ return("") }}{% endif %}
    {% endfor %}
    {{ return(batch_audit.capture_changes()) }}
{% endmacro %}
