{# True when a node's meta asks for record capture. An unknown value is an error, not a silent no. #}
{% macro asks_for_capture(node) %}
    {% set asked = node.config.get("meta", {}).get("audit_capture") %}
    {% if asked is none or asked in [false, "none", "off"] %} {{ return(false) }}{% endif %}
    {% if asked != "changes" %}
        {{
            exceptions.raise_compiler_error(
                node.name
                ~ ": audit_capture is '"
                ~ asked
                ~ "', which batch_audit does not know. "
                ~ "Write `audit_capture: changes`, or `audit_capture: off`."
            )
        }}
    {% endif %}
    {{ return(true) }}
{% endmacro %}
