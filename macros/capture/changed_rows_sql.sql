{#
  A select of the rows that differ between the previous and the new relation of a plan: change_type, then for column
  number i its canonical text before (b_i) and after (a_i). Only rows that differ are turned into text, and each once.
#}
{% macro changed_rows_sql(plan) %}
    {% set selected, differs, same_key = [], [], [] %}
    {% set present = batch_audit._unused_name(plan) %}
    {% for column in plan["columns"] %}
        {% set before = batch_audit._side(column, "b") %}
        {% set after = batch_audit._side(column, "a") %}
        {% do selected.append(before["text"] ~ " as b_" ~ loop.index0) %}
        {% do selected.append(after["text"] ~ " as a_" ~ loop.index0) %}
        {% set retyped = column["before"] != column["after"] %}
        {% set added_or_removed = column["before"] is none or column["after"] is none %}
        {% set form = "text" if column["loose"] or (retyped and not added_or_removed) else "sql" %}
        {% if column["is_key"] %} {% do same_key.append(before[form] ~ " = " ~ after[form]) %}
        {% elif column["compared"] %}
            {% do differs.append(before[form] ~ " is distinct from " ~ after[form]) %}
        {% endif %}
    {% endfor %}
    select
        case
            when b.{{ present }} is null
            then 'insert'
            when a.{{ present }} is null
            then 'delete'
            else 'update'
        end as change_type,
        {{ batch_audit.stored_row("batch_audit_recorded")["fence"] }} as fence,
        {{ selected | join(",\n        ") }}
    from (select 1 as {{ present }}, t.* from {{ plan["before"] }} as t) as b
    full outer join
        (select 1 as {{ present }}, t.* from {{ plan["after"] }} as t) as a on {{ same_key | join(" and ") }}
    where
        b.{{ present }} is null or a.{{ present }} is null
        {% for difference in differs %} or {{ difference }} {% endfor %}
{% endmacro %}

{# A column on one side (alias b or a) as a mapping of sql and text; a column that the side lacks is NULL. #}
{% macro _side(column, alias) %}
    {% set type = column["before" if alias == "b" else "after"] %}
    {% if type is none %} {{ return({"sql": "null", "text": "cast(null as text)"}) }} {% endif %}
    {% set name = column["before_name"] if alias == "b" else column["name"] %}
    {% set sql = alias ~ "." ~ batch_audit.quoted_name(name) %}
    {{ return({"sql": sql, "text": batch_audit.canonical_text(sql, type)}) }}
{% endmacro %}

{# A name that no column of either relation has, to tell a missing row from a row of NULLs. #}
{% macro _unused_name(plan) %}
    {% set names = [] %}
    {% for column in plan["columns"] %} {% do names.append(column["name"] | lower) %} {% endfor %}
    {% set free = [] %}
    {% for number in range(names | length + 1) if "batch_audit_present_" ~ number not in names %}
        {% do free.append("batch_audit_present_" ~ number) %}
    {% endfor %}
    {{ return(free[0]) }}
{% endmacro %}
