{#
  The statements that record the failing rows of a test as record_error events, at most batch_audit_max_test_rows of
  them, with the record's key where the tested node has one (see record_match).
#}
{% macro failing_rows_sql(run, result) %}
  {% set test = result.node %}
  {% if test.resource_type | string != "test" or not test.compiled_code %}{{ return("") }}{% endif %}
  {% set cap = batch_audit.setting("batch_audit_max_test_rows") | int %}
  {% set columns = batch_audit._failing_columns(test) %}
  {% set match = batch_audit.record_match(test, columns) %}
  {% set texts, aliases, pairs = [], [], [] %}
  {% for column in columns %}
    {% do aliases.append(column["alias"]) %}
    {% do texts.append(batch_audit.canonical_text(column["alias"], column["type"]) ~ " as " ~ column["alias"]) %}
  {% endfor %}
  {% for column in columns | sort(attribute="name", case_sensitive=true) %}
    {% do pairs.append((column["name"], "f." ~ column["alias"])) %}
  {% endfor %}
  {# A row found by its values may stand for many records, so equal rows are taken once before the join. #}
  {% set failing = batch_audit.temp_table_sql("batch_audit_failing", "select " ~ ("distinct " if match["matched"] == "value" else "")
    ~ texts | join(", ") ~ " from (\n" ~ test.compiled_code ~ "\n) as failing(" ~ aliases | join(", ") ~ ") limit " ~ cap) %}
  {% set tested = batch_audit.tested_node(test) %}
  {% set no_text = "cast(null as text)" %}
  {% set text = batch_audit.text_literal %}
  {% set recorded = "select " ~ text(run["segment"]) ~ " as segment, " ~ text(test.unique_id)
    ~ " as part, cast(row_number() over () as bigint) as seq, " ~ text(run["batch_id"]) ~ " as batch_id, "
    ~ text(run["batch_month"]) ~ " as batch_month, 'record_error' as event_type, cast(" ~ batch_audit.now_microseconds()
    ~ " as bigint) as occurred_at, " ~ text(invocation_id) ~ " as invocation_id, " ~ (text(run["actor"]) if run["actor"] else no_text)
    ~ " as actor, " ~ text(test.unique_id) ~ " as source, " ~ (text(tested) if tested else no_text) ~ " as target, "
    ~ match["record_id"] ~ " as record_id, " ~ no_text ~ " as change_type, " ~ no_text ~ " as changed_fields, "
    ~ text('{"matched":"' ~ match["matched"] ~ '"}') ~ " as metadata, " ~ no_text ~ " as old_hash, " ~ no_text
    ~ " as record_hash, " ~ no_text ~ " as old_value, " ~ batch_audit.json_object_text(pairs)
    ~ " as new_value from (select f.*" ~ (", m.batch_audit_record_id" if match["join"] else "") ~ " from batch_audit_failing as f" ~ match["join"] ~ " limit " ~ cap ~ ") as f" %}
  {{ return(failing ~ batch_audit.insert_recorded_sql(recorded) ~ "drop table batch_audit_failing;\n") }}
{% endmacro %}

{#
  The columns that a test returns: mappings of name (made unique), alias (by position, a test may return a name twice)
  and type. Asks the warehouse, reads no row.
#}
{% macro _failing_columns(test) %}
  {% set names, aliases = [], [] %}
  {% for column in adapter.get_column_schema_from_query("select * from (\n" ~ test.compiled_code ~ "\n) as failing limit 0") %}
    {% do aliases.append("f_" ~ loop.index0) %}
    {% do names.append(column.name if column.name not in names else column.name ~ "_" ~ loop.index) %}
  {% endfor %}
  {% do run_query(batch_audit.begin_sql() ~ batch_audit.temp_table_sql("batch_audit_described",
    "select * from (\n" ~ test.compiled_code ~ "\n) as failing(" ~ aliases | join(", ") ~ ") limit 0")) %}
  {% set columns = batch_audit.relation_columns(batch_audit.temp_relation("batch_audit_described")) %}
  {% do run_query("rollback") %}
  {% for column in columns %}
    {% do column.update({"alias": aliases[loop.index0], "name": names[loop.index0]}) %}
  {% endfor %}
  {{ return(columns) }}
{% endmacro %}
