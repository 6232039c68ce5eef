{# dbt calls this before it empties a seed's table and fills it again. dbt's own answer is returned. #}
{% macro default__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% do batch_audit.keep_touched_rows(none, old_relation) %}
    {{ return(batch_audit.adapters_own("reset_csv_table")(model, full_refresh, old_relation, agate_table)) }}
{% endmacro %}
