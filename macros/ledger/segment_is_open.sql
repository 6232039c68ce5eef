{#
  True when a segment is registered and not sealed, so that rows may be written into it; false when it is sealed; none
  when it is not registered, or there is no store.
#}
{% macro segment_is_open(segment) %}
    {% set state = run_query(batch_audit.store_state_sql(batch_audit.store_schema())).rows[0] %}
    {% if "audit_block" not in (state["tables"] or "").split(",") %} {{ return(none) }} {% endif %}
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
    {{ return(found["blocks"] == 0 if found["registered"] else none) }}
{% endmacro %}
