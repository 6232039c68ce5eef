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
    {% if batch_audit.replaces_in_place(this) %}
        {{
            return(
                "it has foreign keys, so dbt-duckdb builds it in place, and no pre-hook of it calls"
                ~ " batch_audit.copy_previous() to copy the previous table first: `batch-audit init` writes it"
            )
        }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}

{% macro postgres__capture_obstacle(relation, kept) %} {{ return(none) }}{% endmacro %}
