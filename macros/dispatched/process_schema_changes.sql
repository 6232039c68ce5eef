{#
  dbt calls this in every incremental run, when the new rows lie in a temporary table and before it builds the statement
  that changes the model: the last moment at which the rows that will be changed can be kept. dbt's own answer is returned.
#}
{% macro default__process_schema_changes(on_schema_change, source_relation, target_relation) %}
    {% do batch_audit.keep_touched_rows(source_relation, target_relation) %}
    {{
        return(
            batch_audit.adapters_own("process_schema_changes")(
                on_schema_change, source_relation, target_relation
            )
        )
    }}
{% endmacro %}
