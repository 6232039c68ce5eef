{# A select of the rows of a snapshot's table (alias t) that stand for the records as they are now. #}
{% macro current_rows_sql(relation) %}
    {% set names = config.get("snapshot_table_column_names") or get_snapshot_table_column_names() %}
    {% set ends = "t." ~ names["dbt_valid_to"] %}
    {% set forever = config.get("dbt_valid_to_current") %}
    {% set current = "(" ~ ends ~ " is null" ~ (" or " ~ ends ~ " = " ~ forever if forever else "") ~ ")" %}
    {% if config.get("hard_deletes") == "new_record" %}
        {% set current = current ~ " and t." ~ names["dbt_is_deleted"] ~ " = 'False'" %}
    {% endif %}
    {{ return("select t.* from " ~ relation ~ " as t where " ~ current) }}
{% endmacro %}
