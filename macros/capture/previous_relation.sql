{#
  The table that this model's build is replacing, still there inside its transaction under dbt's backup name; none for a
  first build. A former view held no records of its own, so it counts as a first build.
#}
{% macro previous_relation() %}
    {% set backup = make_backup_relation(this.incorporate(type="table"), "table") %}
    {% set existing = load_cached_relation(backup) %}
    {{ return(existing if existing is not none and existing.is_table else none) }}
{% endmacro %}
