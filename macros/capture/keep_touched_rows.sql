{#
  Keeps what a statement that changes a relation in place is about to touch, before it runs: the rows as they are in
  batch_audit_before, and the keys of the records that come in (from `source`, none for a relation that is filled anew) in
  batch_audit_keys. More rows than the statement touches are no harm, one that is missing is: so conditions that only
  narrow a statement (incremental_predicates) are left out, and a record that comes in is kept even where the statement
  finds rows by something else than its key. A model with a capture_changes line of its own is kept whole: the key that its
  line may give is not known here. In Postgres other writers wait until the transaction ends.
#}
{% macro keep_touched_rows(source, target) %}
    {% set by_line = "capture_changes" in model.config.get("post-hook") | string %}
    {% if not batch_audit.is_audited() or not (by_line or batch_audit.asks_for_capture(model)) %}
        {{ return("") }}
    {% endif %}
    {% set touched = batch_audit.touched_condition(source) if not by_line else none %}
    {% set sql = batch_audit.lock_sql(none, relation=target) ~ "drop table if exists batch_audit_before;\n" %}
    {% set key = batch_audit.record_key(model)["columns"] if touched else [] %}
    {% if key %}
        {% set types, came = {}, {} %}
        {% for column in batch_audit.relation_columns(target) %}
            {% do types.update({batch_audit.fold_name(column["name"]): column}) %}
        {% endfor %}
        {% for column in batch_audit.relation_columns(source) %}
            {% do came.update(
                {
                    batch_audit.fold_name(column["name"]): "s."
                    ~ batch_audit.quoted_name(column["name"])
                }
            ) %}
        {% endfor %}
        {% set selected, by_key, numbers = [], [], [] %}
        {% for name in key %}
            {% set folded = batch_audit.fold_name(name) %}
            {% set value = came.get(folded, "null") %}
            {% if folded in types %}
                {# The statement stores a key in the target's type, which may round it. #}
                {% set value = "cast(" ~ value ~ " as " ~ types[folded]["type"] ~ ")" %}
                {% do by_key.append("t." ~ batch_audit.quoted_name(types[folded]["name"])) %}
            {% endif %}
            {% do numbers.append("k_" ~ loop.index0) %}
            {% do selected.append(value ~ " as k_" ~ loop.index0) %}
        {% endfor %}
        {% set sql = sql ~ "drop table if exists batch_audit_keys;\n" %}
        {% set sql = sql ~ batch_audit.temp_table_sql(
            "batch_audit_keys",
            "select distinct " ~ selected | join(", ") ~ " from " ~ source ~ " as s",
        ) %}
        {% if by_key | length == key | length and touched != "false" %}
            {% set same_key = (
                "(" ~ by_key
                | join(", ") ~ ") in (select " ~ numbers
                | join(", ") ~ " from batch_audit_keys)"
            ) %}
            {% set unique_key = config.get("unique_key") %}
            {% set unique_key = [unique_key] if unique_key is string else (unique_key or []) | list %}
            {% set by_its_key = key | map("lower") | sort | list == unique_key | map("lower") | sort | list %}
            {% set by_its_key = by_its_key and model.resource_type | string != "snapshot" %}
            {% set touched = same_key if by_its_key else touched ~ " or " ~ same_key %}
        {% endif %}
    {% endif %}
    {% set rows = (
        batch_audit.current_rows_sql(target)
        if model.resource_type | string == "snapshot"
        else "select t.* from " ~ target ~ " as t where true"
    ) %}
    {% do run_query(
        sql
        ~ batch_audit.temp_table_sql(
            "batch_audit_before", rows ~ (" and (" ~ touched ~ ")" if touched else "")
        )
    ) %}
    {% set kept = {"what": "keys" if key else "rows"} %}
    {% if key and batch_audit._reconcile_every() is not none %}
        {% set whole = target if model.resource_type | string != "snapshot" else "(" ~ rows ~ ")" %}
        {% do kept.update({"reconciled": batch_audit.reconcile_before(target, whole)}) %}
    {% endif %}
    {# By part: dbt runs the batches of a microbatch model beside each other in one name space. #}
    {% do store_result(batch_audit.capture_part(), response=kept) %}
{% endmacro %}
