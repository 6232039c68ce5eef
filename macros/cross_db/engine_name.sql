{#
  The name of the adapter in use, as it is recorded in events. An adapter that this folder has no macros for stops the
  run here: dbt would take another engine's macro, or name one that nobody has heard of.
#}
{% macro engine_name() %}
    {% if adapter.type() not in ["duckdb", "postgres"] %}
        {{
            exceptions.raise_compiler_error(
                "batch_audit supports duckdb and postgres, and this target's adapter is '"
                ~ adapter.type()
                ~ "'.\n  To run without an audit set the var batch_audit_enabled to false."
            )
        }}
    {% endif %}
    {{ return(adapter.type()) }}
{% endmacro %}
