{#
  What the package's own views have in common. In the models and not in dbt_project.yml, because dbt reads a package's
  dbt_project.yml without the variables of the command line or of the installing project.
#}
{% macro view_config() %}
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
