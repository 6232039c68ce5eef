{#
  What a build without a previous table says: rows_after and a fingerprint over the compared columns, or problem and
  remedy when the key does not identify the records.
#}
{% macro measure_first_build(plan) %}
    {% set null_keys = [] %}
    {% for name in plan["key"] %}
        {% do null_keys.append("t." ~ batch_audit.quoted_name(name) ~ " is null") %}
    {% endfor %}
    {% set row = run_query(
        "select "
        ~ batch_audit.fingerprint_sql("t", plan["compared_after"])
        ~ ", count(case when "
        ~ null_keys
        | join(" or ") ~ " then 1 end) as null_keys from " ~ plan["after"] ~ " as t"
    ).rows[0] %}
    {% if row["null_keys"] %} {{ return(batch_audit.null_key_problem(plan, row["null_keys"])) }}{% endif %}
    {% set duplicates = batch_audit.duplicate_key_problem(plan) %}
    {% if duplicates %} {{ return(duplicates) }}{% endif %}
    {{
        return(
            {
                "rows_before": none,
                "rows_after": row["rows_counted"] | int,
                "inserts": 0,
                "updates": 0,
                "deletes": 0,
                "fingerprint": row["fingerprint"],
                "fingerprint_engine": row["fingerprint_engine"],
                "problem": none,
            }
        )
    }}
{% endmacro %}
