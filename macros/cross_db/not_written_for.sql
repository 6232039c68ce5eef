{# Stops with the names of the adapter and of the leaf macro that is missing for it: a silent default would lose data. #}
{% macro not_written_for(name) %}
    {{
        exceptions.raise_compiler_error(
            "batch_audit does not know how to write "
            ~ name
            ~ " for the adapter '"
            ~ adapter.type()
            ~ "'. It supports duckdb and "
            ~ "postgres; another one needs the macro "
            ~ adapter.type()
            ~ "__"
            ~ name
            ~ " (see macros/cross_db/"
            ~ name
            ~ ".sql)."
        )
    }}
{% endmacro %}
