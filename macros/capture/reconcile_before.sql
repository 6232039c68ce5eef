{#
  Compares the whole of a relation (`whole`: itself, or a select in brackets of the records that count), before a run touches
  a part of it, with what the last capture left, in every `audit_reconcile_every`th capture (model's meta): a mapping of last
  (what last_capture returned), and of rows, fingerprint and fingerprint_engine as they are, over the columns that it
  compared, or of a reason why they cannot be compared; none in the other captures.
#}
{% macro reconcile_before(relation, whole) %}
    {% set every = batch_audit._reconcile_every() %}
    {% set last = batch_audit.last_capture(model.unique_id) %}
    {% set number = (last.get("capture_no") or 0) + 1 %}
    {% if every is none or number % every %} {{ return(none) }}{% endif %}
    {% set described = batch_audit.relation_columns(relation) %}
    {% if not last.get("fingerprint") %} {{ return({"reason": "no capture before it left a fingerprint"}) }}
    {% elif not last["unbroken"] %}
        {{ return({"reason": "a build since the capture before it was not captured"}) }}
    {% elif last.get("columns") != batch_audit._names_and_types(described) %}
        {{ return({"reason": "its columns are no longer those of the capture before it"}) }}
    {% endif %}
    {% set ignored, compared = [], [] %}
    {% for name in last["ignored"] or [] %} {% do ignored.append(batch_audit.fold_name(name)) %} {% endfor %}
    {% for column in described if batch_audit.fold_name(column["name"]) not in ignored %}
        {% do compared.append(column) %}
    {% endfor %}
    {% set row = run_query(
        "select " ~ batch_audit.fingerprint_sql("t", compared) ~ " from " ~ whole ~ " as t"
    ).rows[0] %}
    {% if row["fingerprint_engine"] != last["fingerprint_engine"] %}
        {{ return({"reason": "the engine's version is no longer that of the capture before it"}) }}
    {% endif %}
    {# On DuckDB dbt has not begun its transaction, and another batch may have ended between the two reads. #}
    {% if batch_audit.capture_part() != model.unique_id and batch_audit.last_capture(
        model.unique_id
    ) != last %}
        {{ return({"reason": "another batch of it ended meanwhile"}) }}
    {% endif %}
    {{
        return(
            {
                "last": last,
                "rows": row["rows_counted"] | int,
                "fingerprint": row["fingerprint"],
                "fingerprint_engine": row["fingerprint_engine"],
            }
        )
    }}
{% endmacro %}

{# What a capture says of it: unchanged, changed, `not evaluated: …`, or none where it did not reconcile. #}
{% macro _reconciled(plan) %}
    {% set found = plan["reconciled"] %}
    {% if not found %} {{ return(none) }}{% endif %}
    {% if found.get("reason") %} {{ return("not evaluated: " ~ found["reason"]) }}{% endif %}
    {% set last = found["last"] %}
    {% set same = found["fingerprint"] == last["fingerprint"] and found["rows"] == last["rows_after"] %}
    {{ return("unchanged" if same else "changed") }}
{% endmacro %}

{# The model's audit_reconcile_every: a whole number from 1, or none. #}
{% macro _reconcile_every() %}
    {% set every = (model.config.get("meta") or {}).get("audit_reconcile_every") %}
    {% if every is not none and (every is boolean or every is not integer or every < 1) %}
        {{
            exceptions.raise_compiler_error(
                model.name
                ~ ": audit_reconcile_every is '"
                ~ every
                ~ "'.\n  Write a whole number from 1 (10: every tenth capture reads the whole table), or leave it out."
            )
        }}
    {% endif %}
    {{ return(every) }}
{% endmacro %}
