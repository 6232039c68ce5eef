{#
  One row about the store and the session: session_user, database_name, application_name, warehouse_clock,
  warehouse_version, schema_exists, may_create, may_insert, tables (their names, joined by commas).
#}
{% macro store_state_sql(schema) %}
    {{ return(adapter.dispatch("store_state_sql", "batch_audit")(schema)) }}
{% endmacro %}

{% macro default__store_state_sql(schema) %}
    {{ batch_audit.not_written_for("store_state_sql") }}
{% endmacro %}

{% macro duckdb__store_state_sql(schema) %}
    {% set here = "database_name = " ~ batch_audit.text_literal(target.database) %}
    {% set in_schema = here ~ " and lower(schema_name) = lower(" ~ batch_audit.text_literal(schema) ~ ")" %}
    {{
        return(
            "select current_user as session_user, "
            ~ batch_audit.text_literal(target.database)
            ~ " as database_name,"
            ~ " cast(null as varchar) as application_name, cast(epoch_us(now()) as bigint) as warehouse_clock,"
            ~ " 'DuckDB ' || version() as warehouse_version,"
            ~ " exists (select 1 from duckdb_schemas() where "
            ~ in_schema
            ~ ") as schema_exists,"
            ~ " not coalesce((select bool_or(readonly) from duckdb_databases() where "
            ~ here
            ~ "), false) as may_create,"
            ~ " not coalesce((select bool_or(readonly) from duckdb_databases() where "
            ~ here
            ~ "), false) as may_insert,"
            ~ " (select string_agg(table_name, ',') from duckdb_tables() where "
            ~ in_schema
            ~ ") as tables"
        )
    }}
{% endmacro %}

{% macro postgres__store_state_sql(schema) %}
    {% set name = batch_audit.text_literal(schema) %}
    {% set in_schema = (
        "from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where n.nspname = "
        ~ name
        ~ " and c.relkind in ('r', 'p')"
    ) %}
    {{
        return(
            "select session_user::text as session_user, current_database()::text as database_name,"
            ~ " current_setting('application_name') as application_name,"
            ~ " (extract(epoch from clock_timestamp()) * 1000000)::bigint as warehouse_clock,"
            ~ " 'PostgreSQL ' || current_setting('server_version') as warehouse_version,"
            ~ " exists (select 1 from pg_namespace where nspname = "
            ~ name
            ~ ") as schema_exists,"
            ~ " not current_setting('transaction_read_only')::boolean and coalesce((select has_schema_privilege(oid, 'CREATE') from pg_namespace where nspname = "
            ~ name
            ~ "), has_database_privilege(current_database(), 'CREATE')) as may_create,"
            ~ " not current_setting('transaction_read_only')::boolean and coalesce((select bool_and(has_table_privilege(c.oid, 'INSERT')) "
            ~ in_schema
            ~ " and c.relname like 'audit\\_%'), true) as may_insert,"
            ~ " (select string_agg(c.relname::text, ',') "
            ~ in_schema
            ~ ") as tables"
        )
    }}
{% endmacro %}
