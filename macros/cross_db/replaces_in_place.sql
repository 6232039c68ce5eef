{#
  Whether dbt replaces the table of the model that runs without keeping it until the end of the transaction. `previous` is
  that table, none before a first build. Where nobody knows, it does: a copy too many is no harm.
#}
{% macro replaces_in_place(previous) %}
    {{ return(adapter.dispatch("replaces_in_place", "batch_audit")(previous)) }}
{% endmacro %}

{% macro default__replaces_in_place(previous) %} {{ return(true) }}{% endmacro %}

{% macro duckdb__replaces_in_place(previous) %}
    {# What dbt-duckdb itself asks; one that is too old to ask renames all tables. #}
    {% set linked = dbt.get("has_foreign_key_constraints") %}
    {{ return(linked(previous) if linked else false) }}
{% endmacro %}

{% macro postgres__replaces_in_place(previous) %} {{ return(false) }}{% endmacro %}
