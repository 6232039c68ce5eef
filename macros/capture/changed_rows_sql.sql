{#
  A select of the rows that differ between the previous and the new relation of a plan: change_type, then for column
  number i its canonical text before (b_i) and after (a_i). Only rows that differ are turned into text.
#}
{% macro changed_rows_sql(plan) %}
  {% set selected, differs, same_key = [], [], [] %}
  {% for column in plan["columns"] %}
    {% set before = batch_audit._side(column, "b") %}
    {% set after = batch_audit._side(column, "a") %}
    {% do selected.append(before["text"] ~ " as b_" ~ loop.index0) %}
    {% do selected.append(after["text"] ~ " as a_" ~ loop.index0) %}
    {% set as_text = column["before"] != column["after"] and column["before"] is not none and column["after"] is not none %}
    {% if column["is_key"] %}
      {% set key_as_text = column["before"] != column["after"] or column["loose"] %}
      {% do same_key.append(before["text" if key_as_text else "sql"] ~ " = " ~ after["text" if key_as_text else "sql"]) %}
    {% elif column["compared"] %}
      {% set form = "text" if as_text or column["loose"] else "sql" %}
      {% do differs.append(before[form] ~ " is distinct from " ~ after[form]) %}
    {% endif %}
  {% endfor %}
  {{ return(
    "select case when b.batch_audit_present is null then 'insert' when a.batch_audit_present is null then 'delete' else 'update' end as change_type,\n"
    ~ selected | join(",\n") ~ "\nfrom (select 1 as batch_audit_present, t.* from " ~ plan["before"] ~ " as t) as b\nfull outer join "
    ~ "(select 1 as batch_audit_present, t.* from " ~ plan["after"] ~ " as t) as a on " ~ same_key | join(" and ")
    ~ "\nwhere b.batch_audit_present is null or a.batch_audit_present is null" ~ ("\nor " if differs else "") ~ differs | join("\nor ")
  ) }}
{% endmacro %}

{# A column on one side (alias b or a) as a mapping of sql and text; a column that the side lacks is NULL. #}
{% macro _side(column, alias) %}
  {% set type = column["before" if alias == "b" else "after"] %}
  {% if type is none %}{{ return({"sql": "null", "text": "cast(null as text)"}) }}{% endif %}
  {% set name = column["before_name"] if alias == "b" else column["name"] %}
  {% set sql = alias ~ "." ~ batch_audit.quoted_name(name) %}
  {{ return({"sql": sql, "text": batch_audit.canonical_text(sql, type)}) }}
{% endmacro %}
