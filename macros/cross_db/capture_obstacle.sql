{#
  Why the engine cannot commit this model's capture together with the model, or none when it can. `relation` is the
  model's relation; `kept` tells that its rows were kept before they changed.
#}
{% macro capture_obstacle(relation, kept=false) %}
    {{ return(adapter.dispatch("capture_obstacle", "batch_audit")(relation, kept)) }}
{% endmacro %}

{% macro duckdb__capture_obstacle(relation, kept) %}
    {% if relation.database | lower != target.database | lower %}
        {{
            return(
                "it lies in the attached database "
                ~ relation.database
                ~ " and the audit store in "
                ~ target.database
                ~ "; DuckDB cannot write both in one transaction"
            )
        }}
    {% endif %}
    {# Outside a transaction every statement has a transaction number of its own. #}
    {% set first = run_query("select txid_current()").rows[0][0] %}
    {% if run_query("select txid_current()").rows[0][0] != first %}
        {{
            return(
                "transactions are off (disable_transactions in profiles.yml), so the model and its audit could not be committed together"
            )
        }}
    {% endif %}
    {% if kept %} {{ return(none) }}{% endif %}
    {% set foreign_keys = run_query(
        "select count(*) from duckdb_constraints() where constraint_type = 'FOREIGN KEY' and lower(database_name) = lower("
        ~ batch_audit.text_literal(relation.database)
        ~ ") and lower(schema_name) = lower("
        ~ batch_audit.text_literal(relation.schema)
        ~ ") and lower(table_name) = lower("
        ~ batch_audit.text_literal(relation.identifier)
        ~ ")"
    ).rows[0][0] %}
    {% if foreign_keys %}
        {{
            return(
                "it has foreign keys, so dbt-duckdb builds it in place and keeps no previous table to compare with"
            )
        }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}

{% macro postgres__capture_obstacle(relation, kept) %} {{ return(none) }}{% endmacro %}
