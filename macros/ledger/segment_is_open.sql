{#
  True when a segment is registered and not sealed, so that rows may be written into it. False, too, when the store does
  not exist: then on-run-start has failed and has said why.
#}
{% macro segment_is_open(segment) %}
    {% set state = run_query(batch_audit.store_state_sql(batch_audit.store_schema())).rows[0] %}
    {% if "audit_block" not in (state["tables"] or "").split(",") %} {{ return(false) }} {% endif %}
    {% set id = batch_audit.text_literal(segment) %}
    {% set found = run_query(
        "select (select count(*) from "
        ~ batch_audit.store_relation("audit_segment")
        ~ " where segment = "
        ~ id
        ~ ") as registered, (select count(*) from "
        ~ batch_audit.store_relation("audit_block")
        ~ " where segment = "
        ~ id
        ~ ") as blocks"
    ).rows[0] %}
    {{ return(found["registered"] == 1 and found["blocks"] == 0) }}
{% endmacro %}
