{# True while dbt executes a command that changes or tests data; compiling, listing and parsing are not batches. #}
{% macro is_audited() %}
    {% set audited = ["run", "build", "seed", "snapshot", "test", "retry"] %}
    {{ return(execute and batch_audit.setting("batch_audit_enabled") | as_bool and flags.WHICH in audited) }}
{% endmacro %}
