{# Every row of the new relation in the shape of changed_rows_sql, as an insert. #}
{% macro baseline_rows_sql(plan) %}
    select
        'insert' as change_type,
        {{ batch_audit.stored_row("batch_audit_recorded")["fence"] }} as fence
        {% for column in plan["columns"] %}
            ,
            cast(null as text) as b_{{ loop.index0 }},
            {{ batch_audit._side(column, "a")["text"] }} as a_{{ loop.index0 }}
        {% endfor %}
    from {{ plan["after"] }} as a
{% endmacro %}
