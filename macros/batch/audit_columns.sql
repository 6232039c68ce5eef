{#
  Columns for the end of a model's select list: audit_batch_id, audit_loaded_at, audit_record_hash. A capture ignores
  them by itself. `columns` are those that the hash covers; default: the columns documented in the model's YAML.
#}
{% macro audit_columns(columns=none) %}
    {% set documented = model.columns.keys() | reject("in", batch_audit.audit_column_names()) | list %}
    {% set hashed = columns if columns else documented %}
    {% if execute and not hashed %}
        {{
            exceptions.raise_compiler_error(
                model.name
                ~ ": audit_columns() does not know which columns to hash, because the model's YAML documents none. "
                ~ "Name them: {{ batch_audit.audit_columns(['order_id', 'amount']) }}, or document the columns."
            )
        }}
    {% endif %}
    {{
        return(
            "cast("
            ~ batch_audit.text_literal(batch_audit.batch_id())
            ~ " as text) as audit_batch_id, current_timestamp as audit_loaded_at, "
            ~ batch_audit.record_hash(hashed)
            ~ " as audit_record_hash"
        )
    }}
{% endmacro %}
