{#
  The columns that identify a record of a node, and the rule that gave them: a mapping of columns (a list, empty when
  unknown) and rule. Order: the argument, meta audit_key, a primary key constraint, a unique and not_null test on the
  same column, a unique test, a test of a unique combination of columns. dbt-core infers the last ones itself.
#}
{% macro record_key(node, given=none) %}
    {% set stated = given if given else node.config.get("meta", {}).get("audit_key") %}
    {% if stated %}
        {{
            return(
                {
                    "columns": [stated] if stated is string else stated | list,
                    "rule": "argument" if given else "audit_key",
                }
            )
        }}
    {% endif %}
    {% set inferred = graph.nodes.get(node.unique_id, {}).get("primary_key") or [] %}
    {% if not inferred %} {{ return({"columns": [], "rule": "unknown"}) }}{% endif %}

    {% set constraints = (node.get("constraints") or []) | list %}
    {% for column in (node.get("columns") or {}).values() %}
        {% do constraints.extend(column.get("constraints") or []) %}
    {% endfor %}
    {% if constraints | selectattr("type", "equalto", "primary_key") | list %}
        {{ return({"columns": inferred, "rule": "primary_key constraint"}) }}
    {% endif %}
    {% if inferred | length > 1 %}
        {{ return({"columns": inferred, "rule": "unique combination test"}) }}
    {% endif %}
    {% for test in graph.nodes.values() if test.resource_type == "test" and test.get("attached_node") == node.unique_id %}
        {% if test.test_metadata and test.test_metadata.name == "not_null" and test.column_name == inferred[
            0
        ] %}
            {{ return({"columns": inferred, "rule": "unique and not_null tests"}) }}
        {% endif %}
    {% endfor %}
    {{ return({"columns": inferred, "rule": "unique test"}) }}
{% endmacro %}
