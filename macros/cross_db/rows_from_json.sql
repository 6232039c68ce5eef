{#
  A parenthesised select of rows (mappings of column to text, integer, none or nothing) as one JSON literal that the
  warehouse unpacks. Column types are those of the store; unknown columns are TEXT.
#}
{% macro rows_from_json(rows, columns) %}
    {{ return(adapter.dispatch("rows_from_json", "batch_audit")(rows, columns)) }}
{% endmacro %}

{% macro duckdb__rows_from_json(rows, columns) %}
    {% set types = {} %}
    {% for column in columns %}
        {% do types.update({column: "BIGINT" if batch_audit.store_type(column) == "bigint" else "VARCHAR"}) %}
    {% endfor %}
    {{
        return(
            "(select unnest(from_json("
            ~ batch_audit.text_literal(tojson(rows))
            ~ ", '["
            ~ tojson(types)
            ~ "]'), max_depth := 2))"
        )
    }}
{% endmacro %}

{% macro postgres__rows_from_json(rows, columns) %}
    {% set typed = [] %}
    {% for column in columns %}
        {% do typed.append(column ~ " " ~ batch_audit.store_type(column)) %}
    {% endfor %}
    {{
        return(
            "(select * from json_to_recordset("
            ~ batch_audit.text_literal(tojson(rows))
            ~ "::json) as j("
            ~ typed
            | join(", ") ~ "))"
        )
    }}
{% endmacro %}
