{#
  The value of one setting. The defaults stand here and not in dbt_project.yml because a package's own vars are not
  seen when its macros run for a model of the installing project.
#}
{% macro setting(name) %}
    {% set defaults = {
        "batch_audit_enabled": true,
        "batch_audit_schema": "audit",
        "batch_audit_models": false,
        "batch_audit_max_test_rows": 100,
    } %}
    {% if name not in defaults %}
        {{
            exceptions.raise_compiler_error(
                "batch_audit has no setting '" ~ name ~ "'. It knows: " ~ defaults.keys() | join(", ")
            )
        }}
    {% endif %}
    {{ return(var(name, defaults[name])) }}
{% endmacro %}
