{# The schema of the store: where dbt puts this package's models, so that the project's own schema rule holds. #}
{% macro store_schema() %}
    {% set model = graph.nodes.get("model.batch_audit.rpt_package") if execute else none %}
    {% if model %} {{ return(model.schema) }}{% endif %}
    {# Rules that look at the node are given what they usually look at. #}
    {% set stand_in = {
        "name": "rpt_package",
        "alias": "rpt_package",
        "resource_type": "model",
        "package_name": "batch_audit",
        "fqn": ["batch_audit", "reports", "rpt_package"],
        "path": "reports/rpt_package.sql",
        "config": {},
        "meta": {},
        "tags": [],
    } %}
    {{ return(generate_schema_name(batch_audit.setting("batch_audit_schema"), stand_in) | trim) }}
{% endmacro %}
