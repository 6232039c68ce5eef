{#
  What a capture of the model that runs is going to do, as a mapping: before and after (relations; before is none for a
  first build), why_first (why there is none although a table was there), key (columns), key_rule, ignored, columns
  (mappings of name, before, after: the types or none, loose, compared), capture_no, rows_checked (the rows of the previous
  relation if the last capture found their keys, by the same columns, to be unique; else none), touched (true where before
  holds the touched rows alone), whole (the records that the model has now), last (what last_capture returned), comparable
  (whether its fingerprint is one of these columns), reconciled (what reconcile_before returned, or none), in_place (true
  where the build changed a table and did not replace it), compared_before and compared_after (the columns of each side that
  count), or problem and remedy. `kept` is what keep_touched_rows or copy_previous stored: what (keys, rows, or nothing
  where no table was there), replaced (true of copy_previous) and reconciled; empty when neither did. Only reads.
#}
{% macro capture_plan(kept, key=none, ignore=none) %}
    {% do batch_audit._reconcile_every() %}
    {% set record_key = batch_audit.record_key(model, key) %}
    {% set after = batch_audit.relation_columns(this) %}
    {% set wanted, known = [], {} %}
    {% for name in record_key["columns"] %} {% do wanted.append(batch_audit.fold_name(name)) %} {% endfor %}
    {% for column in after %}
        {% do known.update({batch_audit.fold_name(column["name"]): column["name"]}) %}
    {% endfor %}
    {% set refused = batch_audit._key_problem(record_key, after, wanted | reject("in", known) | list) %}
    {% if refused %} {{ return(refused) }}{% endif %}

    {% set what = kept.get("what") %}
    {% if what == "nothing" %} {% set before = none %}
    {% elif what %} {% set before = batch_audit.temp_relation("batch_audit_before") %}
    {% else %} {% set before = batch_audit.previous_relation() %}
    {% endif %}
    {% set is_snapshot = model.resource_type | string == "snapshot" %}
    {% set whole = "(" ~ batch_audit.current_rows_sql(this) ~ ")" if is_snapshot else this %}
    {% set last = batch_audit.last_capture(model.unique_id) %}
    {% set ignored = batch_audit._ignored_columns(ignore) %}
    {% set unknown = ignored | reject("in", known) | reject("in", batch_audit.audit_column_names()) | list %}
    {% if unknown %}
        {% do exceptions.warn(
            model.name ~ ": audit_ignore names columns that it does not have: " ~ unknown
            | join(", ") ~ ". It has: " ~ after
            | map(attribute="name")
            | join(", ")
            ~ ". Correct audit_ignore, or the changes that it should leave out are recorded."
        ) %}
    {% endif %}
    {% if is_snapshot %}
        {% set own = config.get("snapshot_table_column_names") or get_snapshot_table_column_names() %}
        {% for name in own.values() %} {% do ignored.append(batch_audit.fold_name(name)) %} {% endfor %}
    {% endif %}
    {% set before_columns = batch_audit.relation_columns(before) if before is not none else [] %}
    {% set columns = batch_audit._paired_columns(before_columns, after, ignored, wanted) %}
    {% set ignored_names = columns | rejectattr("compared") | map(attribute="name") | list %}
    {% set key_names, key_before = [], [] %}
    {% for name in wanted %}
        {% do key_names.append(known[name]) %}
        {% do key_before.append(
            (columns | selectattr("name", "equalto", known[name]) | first)["before_name"]
        ) %}
    {% endfor %}
    {# A previous table without one of the key's columns cannot be matched with the new one: that is a first build. #}
    {% set unmatched = columns | selectattr("is_key") | selectattr("before", "none") | list %}
    {{
        return(
            {
                "before": none if unmatched else before,
                "why_first": (
                    "the previous table had no column " ~ unmatched[0]["name"]
                    if unmatched and before is not none
                    else none
                ),
                "after": whole,
                "whole": whole,
                "in_place": what is not none and not kept.get("replaced"),
                "touched": what == "keys" and not unmatched,
                "reconciled": kept.get("reconciled"),
                "compared_before": batch_audit._compared_columns(columns, before_columns),
                "compared_after": batch_audit._compared_columns(columns, after),
                "last": last,
                "comparable": (
                    last.get("unbroken")
                    and last.get("fingerprint")
                    and last.get("ignored") == ignored_names
                    and last.get("columns")
                    == batch_audit._names_and_types(after if what == "keys" else before_columns)
                ),
                "key": key_names,
                "key_before": key_before,
                "key_rule": record_key["rule"],
                "ignored": ignored_names,
                "columns": columns,
                "described": after,
                "capture_no": (last.get("capture_no") or 0) + 1,
                "rows_checked": (
                    last.get("rows_after")
                    if last.get("unbroken")
                    and last.get("key") == key_names
                    and what != "keys"
                    and not last.get("beside")
                    else none
                ),
                "problem": none,
            }
        )
    }}
{% endmacro %}

{# Problem and remedy when there is no key, or one of columns that the relation lacks; none when there is one. #}
{% macro _key_problem(record_key, after, missing) %}
    {% if not record_key["columns"] %}
        {{
            return(
                {
                    "problem": "it has no record key",
                    "remedy": "Name the columns that identify a record: meta: {audit_key: [...]}, or add a unique test to its key column.",
                }
            )
        }}
    {% elif missing %}
        {{
            return(
                {
                    "problem": "its key (" ~ record_key["columns"]
                    | join(", ")
                    ~ ", from "
                    ~ record_key["rule"]
                    ~ ") names columns that it does not have: "
                    ~ missing
                    | join(", "),
                    "remedy": "It has: " ~ after
                    | map(attribute="name")
                    | join(", ") ~ ". Correct audit_key.",
                }
            )
        }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}

{% macro _ignored_columns(ignore) %}
    {% set stated = (
        ignore if ignore is not none else model.config.get("meta", {}).get("audit_ignore") or []
    ) %}
    {% set ignored = [] %}
    {% for name in ([stated] if stated is string else stated | list) + batch_audit.audit_column_names() %}
        {% do ignored.append(batch_audit.fold_name(name)) %}
    {% endfor %}
    {{ return(ignored) }}
{% endmacro %}

{# The columns of both relations by name, in code point order of their names (the order of the record text). #}
{% macro _paired_columns(before, after, ignored, key) %}
    {% set pairs = {} %}
    {% for side, described in [("before", before), ("after", after)] %}
        {% for column in described %}
            {% set name = batch_audit.fold_name(column["name"]) %}
            {% set pair = pairs.setdefault(
                name, {"before": none, "after": none, "loose": false, "before_name": none}
            ) %}
            {% do pair.update(
                {
                    side: column["type"],
                    "name": column["name"],
                    "loose": pair["loose"] or column["loose"],
                    "compared": name not in ignored or name in key,
                    "is_key": name in key,
                }
            ) %}
            {% if side == "before" %} {% do pair.update({"before_name": column["name"]}) %} {% endif %}
        {% endfor %}
    {% endfor %}
    {% set ordered = {} %}
    {% for pair in pairs.values() %} {% do ordered.update({pair["name"]: pair}) %} {% endfor %}
    {% set columns = [] %}
    {% for name in ordered | sort(case_sensitive=true) %} {% do columns.append(ordered[name]) %} {% endfor %}
    {{ return(columns) }}
{% endmacro %}

{# Those of a relation's columns that a capture compares. #}
{% macro _compared_columns(columns, described) %}
    {% set names, compared = [], [] %}
    {% for column in columns | selectattr("compared") %}
        {% do names.append(batch_audit.fold_name(column["name"])) %}
    {% endfor %}
    {% for column in described if batch_audit.fold_name(column["name"]) in names %}
        {% do compared.append(column) %}
    {% endfor %}
    {{ return(compared) }}
{% endmacro %}

{# A relation's columns as a capture's checkpoint keeps them. #}
{% macro _names_and_types(described) %}
    {% set columns = [] %}
    {% for column in described %}
        {% do columns.append({"name": column["name"], "type": column["type"]}) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}
