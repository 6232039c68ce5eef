{#
  What the package's own views have in common. In the models and not in dbt_project.yml, because dbt reads a package's
  dbt_project.yml without the variables of the command line or of the installing project.
#}
{% macro view_config() %}
    {# The installing project's own configuration outranks this one, and a table would never show a later batch. #}
    {% if execute and config.get("materialized") != "view" %}
        {{
            exceptions.raise_compiler_error(
                model.name
                ~ ": the views of batch_audit must be views, and this project's dbt_project.yml makes it a "
                ~ config.get("materialized")
                ~ ", which would show only what was there when it was built. Under models: in dbt_project.yml, write "
                ~ "batch_audit: {+materialized: view}"
            )
        }}
    {% endif %}
    {{
        return(
            {
                "enabled": batch_audit.setting("batch_audit_models") | string | lower == "true",
                "schema": batch_audit.setting("batch_audit_schema"),
                "materialized": "view",
            }
        )
    }}
{% endmacro %}
