{# Every row of the new relation in the shape of changed_rows_sql, as an insert. #}
{% macro baseline_rows_sql(plan) %}
  {% set selected = [] %}
  {% for column in plan["columns"] %}
    {% do selected.append("cast(null as text) as b_" ~ loop.index0) %}
    {% do selected.append(batch_audit._side(column, "a")["text"] ~ " as a_" ~ loop.index0) %}
  {% endfor %}
  {{ return("select 'insert' as change_type, " ~ selected | join(", ") ~ " from " ~ plan["after"] ~ " as a") }}
{% endmacro %}
