{# Takes a lock that the end of the transaction releases, one writer at a time per name. DuckDB has one writing process. #}
{% macro lock_sql(name) %} {{ return(adapter.dispatch("lock_sql", "batch_audit")(name)) }}{% endmacro %}

{% macro default__lock_sql(name) %} {{ batch_audit.not_written_for("lock_sql") }}{% endmacro %}

{% macro duckdb__lock_sql(name) %} {{ return("") }}{% endmacro %}

{% macro postgres__lock_sql(name) %}
    {{
        return(
            "set local lock_timeout = '120s';\nselect pg_advisory_xact_lock(('x' || substr(encode(sha256(convert_to("
            ~ batch_audit.text_literal("batch_audit:" ~ name)
            ~ ", 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint);\n"
        )
    }}
{% endmacro %}
