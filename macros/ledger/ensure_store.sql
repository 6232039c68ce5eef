{#
  Makes sure that the store exists and can be written for a month, and returns what the warehouse says of the session
  (session_user, database_name, application_name, warehouse_clock, warehouse_version). Reads the catalogue first and
  creates only what is missing, under a lock, so that many first runs may start at once.
#}
{% macro ensure_store(month) %}
    {% set schema = batch_audit.store_schema() %}
    {% set state = batch_audit._store_state(schema) %}
    {% if batch_audit._missing_tables(state, month) %}
        {% if state["cannot_create"] %}
            {{
                exceptions.raise_compiler_error(
                    batch_audit._refusal(schema, state, "create its tables in", state["cannot_create"])
                )
            }}
        {% endif %}
        {% do run_query(batch_audit.begin_sql() ~ batch_audit.lock_sql("store:" ~ schema)) %}
        {% set state = batch_audit._store_state(schema) %}
        {% do run_query(
            batch_audit.store_ddl(
                schema, batch_audit._missing_tables(state, month), state["schema_exists"]
            )
            ~ "commit;"
        ) %}
        {% set state = batch_audit._store_state(schema) %}
    {% endif %}
    {% if state["cannot_write"] %}
        {{
            exceptions.raise_compiler_error(
                batch_audit._refusal(schema, state, "write to", state["cannot_write"])
            )
        }}
    {% endif %}
    {{ return(state) }}
{% endmacro %}

{% macro _store_state(schema) %}
    {% set row = run_query(batch_audit.store_state_sql(schema)).rows[0] %}
    {{
        return(
            {
                "session_user": row["session_user"],
                "database_name": row["database_name"],
                "application_name": row["application_name"],
                "warehouse_clock": row["warehouse_clock"],
                "warehouse_version": row["warehouse_version"],
                "schema_exists": row["schema_exists"],
                "cannot_create": row["cannot_create"],
                "cannot_write": row["cannot_write"],
                "tables": (row["tables"] or "").split(","),
            }
        )
    }}
{% endmacro %}

{% macro _missing_tables(state, month) %}
    {{
        return(
            (batch_audit.store_tables() + batch_audit.month_tables(month))
            | reject("in", state["tables"])
            | list
        )
    }}
{% endmacro %}

{% macro _refusal(schema, state, action, why) %}
    {{
        return(
            "batch_audit cannot "
            ~ action
            ~ " the audit schema "
            ~ schema
            ~ " of database "
            ~ state["database_name"]
            ~ ": "
            ~ why
            ~ "\n  A run that cannot be audited does not start; to run without an audit set the var batch_audit_enabled to false."
        )
    }}
{% endmacro %}
