{# dbt calls this before it empties a seed's table and fills it again. dbt's own answer is returned. #}
{% macro default__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% if execute and (model.config.get("meta") or {}).get("audit_capture") %}
        {% do batch_audit.keep_touched_rows(none, old_relation) %}
    {% endif %}
    {{ return(batch_audit.adapters_own("reset_csv_table")(model, full_refresh, old_relation, agate_table)) }}
{% endmacro %}
