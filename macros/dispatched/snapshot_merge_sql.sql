{#
  dbt calls this when the changed rows of a snapshot lie in its staging table, before it merges them. dbt's own answer is
  returned.
#}
{% macro default__snapshot_merge_sql(target, source, insert_cols) %}
    {% do batch_audit.keep_touched_rows(source, target) %}
    {{ return(batch_audit.adapters_own("snapshot_merge_sql")(target, source, insert_cols)) }}
{% endmacro %}
