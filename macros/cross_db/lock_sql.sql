{#
  Takes a lock that the end of the transaction releases: one holder at a time per name, or with a segment, which its
  writers share and the one who seals it does not; a segment that is sealed by then refuses to be written (the cast fails).
  DuckDB has one writing process.
#}
{% macro lock_sql(name, segment=none) %}
    {{ return(adapter.dispatch("lock_sql", "batch_audit")(name, segment)) }}
{% endmacro %}

{% macro default__lock_sql(name, segment=none) %} {{ batch_audit.not_written_for("lock_sql") }}{% endmacro %}

{% macro duckdb__lock_sql(name, segment=none) %} {{ return("") }}{% endmacro %}

{% macro postgres__lock_sql(name, segment=none) %}
    {% set key = (
        "(('x' || substr(encode(sha256(convert_to("
        ~ batch_audit.text_literal("batch_audit:" ~ ("segment:" ~ segment if segment else name))
        ~ ", 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint);\n"
    ) %}
    {% if not segment %}
        {{ return("set local lock_timeout = '120s';\nselect pg_advisory_xact_lock" ~ key) }}
    {% endif %}
    {{
        return(
            "select pg_advisory_xact_lock_shared"
            ~ key
            ~ "select cast('batch_audit: segment ' || segment || ' was sealed while its run went on; run it again' as bigint) from "
            ~ batch_audit.store_relation("audit_block")
            ~ " where segment = "
            ~ batch_audit.text_literal(segment)
            ~ ";\n"
        )
    }}
{% endmacro %}
