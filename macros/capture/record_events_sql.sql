{# The record_write events of changed rows (in the shape of changed_rows_sql), in the shape that insert_recorded_sql takes. #}
{% macro record_events_sql(run, plan, changes, occurred_at) %}
  {% set key = [] %}
  {% set before = batch_audit._key_columns(plan, "b_") %}
  {% for after in batch_audit._key_columns(plan, "a_") %}
    {% do key.append(batch_audit.escaped_field("coalesce(" ~ after ~ ", " ~ before[loop.index0] ~ ")")) %}
  {% endfor %}
  {% set changed, old, new, old_pairs, new_pairs = [], [], [], [], [] %}
  {% for column in plan["columns"] %}
    {% set i = loop.index0 %}
    {% if column["compared"] %}
      {% do changed.append("case when b_" ~ i ~ " is distinct from a_" ~ i ~ " then "
        ~ batch_audit.text_literal("," ~ batch_audit.json_string(column["name"])) ~ " else '' end") %}
      {% do old.append((column["name"], "b_" ~ i)) %}
      {% do new.append((column["name"], "a_" ~ i)) %}
    {% endif %}
    {% if column["before"] is not none %}{% do old_pairs.append((column["name"], "b_" ~ i)) %}{% endif %}
    {% if column["after"] is not none %}{% do new_pairs.append((column["name"], "a_" ~ i)) %}{% endif %}
  {% endfor %}
  {% set node = batch_audit.text_literal(model.unique_id) %}
  {{ return(
    "select " ~ batch_audit.text_literal(run["segment"]) ~ " as segment, " ~ node ~ " as part,"
    ~ " cast(row_number() over () + 1 as bigint) as seq, " ~ batch_audit.text_literal(run["batch_id"]) ~ " as batch_id, "
    ~ batch_audit.text_literal(run["batch_month"]) ~ " as batch_month, 'record_write' as event_type, cast(" ~ occurred_at
    ~ " as bigint) as occurred_at, " ~ batch_audit.text_literal(invocation_id) ~ " as invocation_id, "
    ~ (batch_audit.text_literal(run["actor"]) if run["actor"] else "cast(null as text)") ~ " as actor, cast(null as text) as source, "
    ~ node ~ " as target, " ~ key | join(" || '|' || ") ~ " as record_id, change_type,\n"
    ~ "case when change_type = 'update' then '[' || ltrim(" ~ (changed | join(" || ") or "''") ~ ", ',') || ']' end as changed_fields,\n"
    ~ "cast(null as text) as metadata,\n"
    ~ "case when change_type <> 'insert' then " ~ batch_audit.record_hash_sql(old) ~ " end as old_hash,\n"
    ~ "case when change_type <> 'delete' then " ~ batch_audit.record_hash_sql(new) ~ " end as record_hash,\n"
    ~ "case when change_type <> 'insert' then " ~ batch_audit.json_object_text(old_pairs) ~ " end as old_value,\n"
    ~ "case when change_type <> 'delete' then " ~ batch_audit.json_object_text(new_pairs) ~ " end as new_value\n"
    ~ "from (" ~ changes ~ ") as c"
  ) }}
{% endmacro %}
