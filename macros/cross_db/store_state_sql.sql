{#
  One row about the store and the session: session_user, database_name, application_name, warehouse_clock,
  warehouse_version, schema_exists, cannot_create and cannot_write (why, and what to do; NULL when it can), tables (their
  names, joined by commas).
#}
{% macro store_state_sql(schema) %}
    {{ return(adapter.dispatch("store_state_sql", "batch_audit")(schema)) }}
{% endmacro %}

{% macro duckdb__store_state_sql(schema) %}
    {% set database = batch_audit.text_literal(target.database) %}
    {% set in_schema %}
        database_name = {{ database }} and lower(schema_name) = lower({{ batch_audit.text_literal(schema) }})
    {% endset %}
    {% set state %}
        select
            current_user as session_user,
            {{ database }} as database_name,
            cast(null as varchar) as application_name,
            cast(epoch_us(now()) as bigint) as warehouse_clock,
            'DuckDB ' || version() as warehouse_version,
            exists (select 1 from duckdb_schemas() where {{ in_schema }}) as schema_exists,
            {% for column in ["cannot_create", "cannot_write"] %}
            case
                when (select bool_or(readonly) from duckdb_databases() where database_name = {{ database }})
                then 'the database is attached read-only. Attach it for writing in profiles.yml.'
            end as {{ column }},
            {% endfor %}
            (select string_agg(table_name, ',') from duckdb_tables() where {{ in_schema }}) as tables
    {% endset %}
    {{ return(state) }}
{% endmacro %}

{% macro postgres__store_state_sql(schema) %}
    {% set name = batch_audit.text_literal(schema) %}
    {# What a privilege is called, what grants it, and the rows that lack it: one line for each thing that may be lacking. #}
    {% set creating %}
        select 'CREATE on database ' || current_database(), 'grant create on database ' || quote_ident(current_database())
        where not exists (select 1 from here) and not has_database_privilege(current_database(), 'CREATE')
        union all
        select 'CREATE on schema ' || nspname, 'grant create on schema ' || quote_ident(nspname)
        from here where not has_schema_privilege(oid, 'CREATE')
        union all
        select 'ownership of table ' || min(relname) || ', to which a month is added', 'grant ' || quote_ident(pg_get_userbyid(relowner))
        from stored where relkind = 'p' and not pg_has_role(relowner, 'USAGE') and not exists (
            select 1 from pg_proc as f join here on here.oid = f.pronamespace
            where f.proname = 'audit_add_month' and has_function_privilege(f.oid, 'EXECUTE')
        ) group by relowner
    {% endset %}
    {% set writing %}
        select 'TEMPORARY on database ' || current_database(), 'grant temporary on database ' || quote_ident(current_database())
        where not has_database_privilege(current_database(), 'TEMPORARY')
        union all
        select 'USAGE on schema ' || nspname, 'grant usage on schema ' || quote_ident(nspname)
        from here where not has_schema_privilege(oid, 'USAGE')
        union all
        select privilege || ' on table ' || relname, 'grant ' || lower(privilege) || ' on ' || oid::regclass::text
        from stored, (values ('SELECT'), ('INSERT')) as p(privilege) where not has_table_privilege(oid, privilege)
    {% endset %}
    {% set state %}
        with
            here as (select oid, nspname from pg_namespace where nspname = {{ name }}),
            relations as (
                select c.oid, c.relname::text, c.relowner, c.relkind, here.nspname
                from pg_class as c join here on here.oid = c.relnamespace where c.relkind in ('r', 'p')
            ),
            stored as (select * from relations where relname in ('{{ batch_audit.store_tables() | join("', '") }}'))
        select
            session_user::text as session_user,
            current_database()::text as database_name,
            current_setting('application_name') as application_name,
            (extract(epoch from clock_timestamp()) * 1000000)::bigint as warehouse_clock,
            'PostgreSQL ' || current_setting('server_version') as warehouse_version,
            exists (select 1 from here) as schema_exists,
            {% for column, lacking in [("cannot_create", creating ~ " union all " ~ writing), ("cannot_write", writing)] %}
            case
                when current_setting('transaction_read_only')::boolean
                then 'the session is read-only (default_transaction_read_only). Let it write.'
                else (
                    select 'the user ' || current_user || ' lacks ' || string_agg(what, ', ' order by what)
                        || '. The owner or a superuser can give it: '
                        || string_agg(given || ' to ' || quote_ident(current_user) || ';', ' ' order by what)
                    from ({{ lacking }}) as l(what, given)
                    having count(*) > 0
                )
            end as {{ column }},
            {% endfor %}
            (select string_agg(relname, ',') from relations) as tables
    {% endset %}
    {{ return(state) }}
{% endmacro %}
