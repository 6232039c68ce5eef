{#
  A problem with a model's key: by default the model fails and its relation stays as it was; with
  `audit_on_error: warn` the model passes and the batch shows that it was not captured, and why.
#}
{% macro refuse_capture(problem, remedy) %}
    {% if model.config.get("meta", {}).get("audit_on_error", "fail") == "warn" %}
        {{ return(batch_audit.not_captured_sql(problem)) }}
    {% endif %}
    {{
        exceptions.raise_compiler_error(
            model.name
            ~ ": cannot capture changes, "
            ~ problem
            ~ ".\n  The relation "
            ~ this
            ~ " stays as it was.\n  "
            ~ remedy
            ~ "\n  To let the model pass without its changes captured: meta: {audit_on_error: warn}"
        )
    }}
{% endmacro %}
