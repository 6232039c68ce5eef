{#
  The hash of a record of the model, or of the node `unique_id`, from (name, SQL text expression) pairs in code point order of their names. NULLs are
  left out and the node's id stands in front, so that an added column or a moved schema changes no hash.
#}
{% macro record_hash_sql(pairs, unique_id=none) %}
    {% set parts = [
        batch_audit.text_literal("v1|" ~ batch_audit.escaped_name(unique_id or model.unique_id))
    ] %}
    {% for name, expression in pairs %}
        {% do parts.append(
            "coalesce("
            ~ batch_audit.text_literal("|" ~ batch_audit.escaped_name(name) ~ "=")
            ~ " || "
            ~ batch_audit.escaped_field(expression)
            ~ ", '')"
        ) %}
    {% endfor %}
    {{ return(batch_audit.sha256_hex(parts | join(" || "))) }}
{% endmacro %}
