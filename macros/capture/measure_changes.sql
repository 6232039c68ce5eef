{#
  What batch_audit_recorded and the two relations say: rows_before, rows_after, inserts, updates, deletes, or problem and
  remedy when the key does not identify the records. Keys are unique on both sides exactly when every pair that the join
  made stands for one row of each side and no key comes twice among the rows that differ.
#}
{% macro measure_changes(plan) %}
    {% set row = run_query(
        "select r.*, b.rows_counted as rows_before, b.fingerprint as fingerprint_before, a.rows_counted as rows_after,"
        ~ " a.fingerprint, a.fingerprint_engine from (select "
        ~ batch_audit.fingerprint_sql("t", plan["compared_before"])
        ~ " from "
        ~ plan["before"]
        ~ " as t) as b, (select "
        ~ batch_audit.fingerprint_sql("t", plan["compared_after"])
        ~ " from "
        ~ plan["after"]
        ~ " as t) as a, (select count(case when change_type = 'insert' then 1 end) as inserts,"
        ~ " count(case when change_type = 'update' then 1 end) as updates,"
        ~ " count(case when change_type = 'delete' then 1 end) as deletes,"
        ~ " count(case when change_type = 'insert' and record_id is null then 1 end) as null_keys,"
        ~ " count(case when change_type = 'delete' and record_id is null then 1 end) as null_keys_before,"
        ~ " count(*) - count(distinct (change_type = 'delete', record_id)) as repeated"
        ~ " from batch_audit_recorded) as r"
    ).rows[0] %}
    {% set found = {
        "rows_before": row["rows_before"] | int,
        "rows_after": row["rows_after"] | int,
        "inserts": row["inserts"] | int,
        "updates": row["updates"] | int,
        "deletes": row["deletes"] | int,
        "problem": none,
        "fingerprint": row["fingerprint"],
        "fingerprint_before": row["fingerprint_before"],
        "fingerprint_engine": row["fingerprint_engine"],
    } %}
    {% if row["null_keys"] %} {{ return(batch_audit.null_key_problem(plan, row["null_keys"])) }}{% endif %}
    {% set paired_after = found["rows_after"] - found["inserts"] %}
    {% set paired_before = found["rows_before"] - found["deletes"] %}
    {% set repeated = row["repeated"] or paired_after != paired_before %}
    {# Repeated keys on both sides can agree in their counts, unless the previous side is known to be free of them. #}
    {% if repeated or found["rows_before"] != plan["rows_checked"] %}
        {% set duplicates = batch_audit.duplicate_key_problem(plan) %}
        {% if duplicates %} {{ return(duplicates) }}{% endif %}
    {% endif %}
    {% if repeated or row["null_keys_before"] %}
        {# Only the previous table's key is bad: its records cannot be told apart, so history starts with this build. #}
        {% do run_query("drop table batch_audit_recorded") %}
        {% set bad = "repeated keys" if repeated else "had NULL in its key" %}
        {% do plan.update(
            {
                "before": none,
                "after": plan["whole"],
                "touched": false,
                "why_first": "the previous table " ~ bad,
            }
        ) %}
        {{ return(batch_audit.measure_first_build(plan)) }}
    {% endif %}
    {% if plan["touched"] %} {% do batch_audit.carry_forward(plan, found) %} {% endif %}
    {{ return(found) }}
{% endmacro %}
