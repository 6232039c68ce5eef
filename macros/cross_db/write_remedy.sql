{# What to do when the audit schema cannot be written by this session's user. #}
{% macro write_remedy(schema, user) %}
    {{ return(adapter.dispatch("write_remedy", "batch_audit")(schema, user)) }}
{% endmacro %}

{% macro default__write_remedy(schema, user) %}
    {{ batch_audit.not_written_for("write_remedy") }}
{% endmacro %}

{% macro duckdb__write_remedy(schema, user) %}
    {{ return("the database is attached read-only. Attach it for writing in profiles.yml.") }}
{% endmacro %}

{% macro postgres__write_remedy(schema, user) %}
    {{
        return(
            "the user "
            ~ user
            ~ " lacks the privilege (or the session is read-only). A superuser or the owner can grant it: create schema if not exists "
            ~ adapter.quote(schema)
            ~ "; grant usage, create on schema "
            ~ adapter.quote(schema)
            ~ " to "
            ~ adapter.quote(user)
            ~ "; grant select, insert on all tables in schema "
            ~ adapter.quote(schema)
            ~ " to "
            ~ adapter.quote(user)
            ~ ";"
        )
    }}
{% endmacro %}
