{#
  Keeps of batch_audit_recorded the first `audit_max_records` rows (model's meta), if it has more, and says in `found` how
  many were left out (not_stored) and what they were: not_stored_digest, the list_digest_sql
  of the SHA-256 of their change texts `record_id|change_type|old_hash|record_hash`, so that a list of them can be checked
  later.
#}
{% macro limit_records(found) %}
    {% set most = model.config.get("meta", {}).get("audit_max_records") %}
    {% set changed = found["inserts"] + found["updates"] + found["deletes"] %}
    {% if most is none or changed <= most | int %} {{ return("") }}{% endif %}
    {% set texts = [] %}
    {% for name in ["record_id", "change_type", "old_hash", "record_hash"] %}
        {% do texts.append("coalesce(" ~ batch_audit.escaped_field(name) ~ ", '~N')") %}
    {% endfor %}
    {% set numbered = batch_audit.stored_row("batch_audit_recorded")["number"] %}
    {% set left_out %}
        select {{ batch_audit.sha256_hex(texts | join(" || '|' || ")) }} as digest
        from (select r.*, {{ numbered }} as place from batch_audit_recorded as r) as r
        where place > {{ most | int }}
    {% endset %}
    {% set digest = run_query(batch_audit.list_digest_sql(left_out)).rows[0][0] %}
    {% do run_query(
        batch_audit.temp_table_sql(
            "batch_audit_sample",
            "select r.* from (select r.*, "
            ~ numbered
            ~ " as batch_audit_place from batch_audit_recorded as r) as r where batch_audit_place <= "
            ~ most
            | int,
        )
        ~ "drop table batch_audit_recorded;\n"
        ~ batch_audit.temp_table_sql("batch_audit_recorded", "select * from batch_audit_sample")
        ~ "drop table batch_audit_sample;\n"
    ) %}
    {% do found.update({"not_stored": changed - most | int, "not_stored_digest": digest}) %}
    {% do exceptions.warn(
        model.name
        ~ ": "
        ~ changed
        ~ " records changed and audit_max_records is "
        ~ most
        ~ ": "
        ~ found["not_stored"]
        ~ " of them are counted and not stored one by one."
    ) %}
{% endmacro %}
