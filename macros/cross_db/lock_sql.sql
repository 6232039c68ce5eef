{#
  Takes a lock that the end of the transaction releases: one holder at a time per name, or with a segment, which its
  writers share and the one who seals it does not; a segment that is sealed by then, or was never registered, refuses to
  be written (the cast fails); or with a relation, which others may read and not write. DuckDB has one writing process and
  needs no lock.
#}
{% macro lock_sql(name, segment=none, relation=none) %}
    {{ return(adapter.dispatch("lock_sql", "batch_audit")(name, segment, relation)) }}
{% endmacro %}

{% macro duckdb__lock_sql(name, segment, relation) %}
    {{ return(batch_audit._writable_sql(segment) if segment else "") }}
{% endmacro %}

{% macro postgres__lock_sql(name, segment, relation) %}
    {% if relation is not none %}
        {{ return("lock table " ~ relation ~ " in share row exclusive mode;\n") }}
    {% endif %}
    {% set key = (
        "(('x' || substr(encode(sha256(convert_to("
        ~ batch_audit.text_literal("batch_audit:" ~ ("segment:" ~ segment if segment else name))
        ~ ", 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint);\n"
    ) %}
    {% if not segment %}
        {{ return("set local lock_timeout = '120s';\nselect pg_advisory_xact_lock" ~ key) }}
    {% endif %}
    {{ return("select pg_advisory_xact_lock_shared" ~ key ~ batch_audit._writable_sql(segment)) }}
{% endmacro %}

{% macro _writable_sql(segment) %}
    {% set id = batch_audit.text_literal(segment) %}
    {# Neither text is a constant: an engine may fold the cast of one while it plans, and fail whatever the rows are. #}
    {{
        return(
            "select cast('batch_audit: ' || problem as bigint) from (select 'segment ' || segment"
            ~ " || ' was sealed while its run went on; run it again' from "
            ~ batch_audit.store_relation("audit_block")
            ~ " where segment = "
            ~ id
            ~ " union all select count(*) || ' segments are registered for this run, because an"
            ~ " on-run-start hook of the project or of another package failed before the audit could start; mend it and run"
            ~ " again' from "
            ~ batch_audit.store_relation("audit_segment")
            ~ " where segment = "
            ~ id
            ~ " having count(*) = 0) as p(problem);\n"
        )
    }}
{% endmacro %}
