{#
  SQL (the model's rows are t) that holds for the rows which a statement bringing in the rows of `source` may change or
  remove, by the model's strategy; none when it may be any of them, `false` when it only adds rows.
#}
{% macro touched_condition(source) %}
    {% if source is none %} {{ return(none) }}{% endif %}
    {% if model.resource_type | string == "snapshot" %}
        {# What ends a version names it; the other columns of a deleted record are NULL in the staging table. #}
        {% set names = config.get("snapshot_table_column_names") or get_snapshot_table_column_names() %}
        {% set version = names["dbt_scd_id"] %}
        {{
            return(
                "t."
                ~ version
                ~ " in (select "
                ~ version
                ~ " from "
                ~ source
                ~ " where dbt_change_type in ('update', 'delete'))"
            )
        }}
    {% endif %}

    {% set key = config.get("unique_key") %}
    {% set keys = [key] if key is string else (key or []) | list %}
    {% set strategy = (config.get("incremental_strategy") or "default") | replace("+", "_") %}
    {% set window = (model.get("batch") or {}) if strategy == "microbatch" and not keys else {} %}
    {% if window %}
        {% set time = config.get("event_time") %}
        {{
            return(
                "("
                ~ time
                ~ " >= '"
                ~ window["event_time_start"]
                ~ "' and "
                ~ time
                ~ " < '"
                ~ window["event_time_end"]
                ~ "')"
            )
        }}
    {% endif %}
    {# Clauses of the user's own may act on rows that match nothing, and give a record another key. #}
    {% set own_clauses = config.get("merge_clauses") or config.get("merge_update_set_expressions") %}
    {% if own_clauses or strategy not in ["default", "append", "delete_insert", "merge", "microbatch"] %}
        {{ return(none) }}
    {% endif %}
    {% set keys = config.get("merge_on_using_columns") or keys if strategy == "merge" else keys %}
    {% if strategy == "append" or (not keys and strategy != "merge") %} {{ return("false") }}{% endif %}
    {# A merge may leave out rows that come in; then their keys must be compared as well. #}
    {% if not keys %} {{ return("1 = 0") }}{% endif %}
    {% set names = keys | join(", ") %}
    {% set matched = "(" ~ names ~ ") in (select " ~ names ~ " from " ~ source ~ ")" %}
    {% if adapter.behavior.enable_truthy_nulls_equals_macro.no_warn %}
        {% set matched = matched ~ " or " ~ keys | join(" is null or ") ~ " is null" %}
    {% endif %}
    {{ return("(" ~ matched ~ ")") }}
{% endmacro %}
