{# Inserts rows (mappings of column to text, integer or none) into a table of the store: one literal, one statement. #}
{% macro insert_rows_sql(table, rows) %}
    {% set columns = batch_audit.store_columns(table) %}
    insert into {{ batch_audit.store_relation(table) }} ({{ columns | join(", ") }})
    select {{ columns | join(", ") }} from {{ batch_audit.rows_from_json(rows, columns) }} as r;
{% endmacro %}
