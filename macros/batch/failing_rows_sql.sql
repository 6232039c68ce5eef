{#
  The statements that record the failing rows of a test as record_error events, at most batch_audit_max_test_rows of
  them and no more than the test's own limit, with the record's key where the tested node has one (see record_match), else
  with the reason why it is not known.
#}
{% macro failing_rows_sql(run, result) %}
    {% set test = result.node %}
    {% set cap = batch_audit._failing_rows_cap(test) %}
    {% if test.resource_type | string != "test" or not test.compiled_code or cap < 1 %}
        {{ return("") }}
    {% endif %}
    {% set columns = batch_audit._failing_columns(test) %}
    {% set match = batch_audit.record_match(test, columns) %}
    {% set tested = batch_audit.tested_node(test) %}
    {% set texts, values = [], [] %}
    {% for column in columns %}
        {% do texts.append(
            batch_audit.canonical_text(column["alias"], column["type"]) ~ " as " ~ column["alias"]
        ) %}
    {% endfor %}
    {% for column in columns | sort(attribute="name", case_sensitive=true) %}
        {% do values.append((column["name"], "f." ~ column["alias"])) %}
    {% endfor %}
    {# A row found by its values may stand for many records, so equal rows are taken once before the join. #}
    {# One row more than is kept shows whether there are more. #}
    {% set failing %}
        select {{ "distinct" if match["matched"] == "value" }} {{ texts | join(", ") }}
        from ({{ test.compiled_code }}
        ) as failing({{ columns | map(attribute="alias") | join(", ") }})
        limit {{ cap + 1 }}
    {% endset %}
    {% set unmatched = {"matched": "none", "reason": match["reason"]} %}
    {% set error = batch_audit.event_fields(run, test.unique_id, 1, "record_error") %}
    {% do error.update({"source": test.unique_id, "target": tested}) %}
    {% set recorded %}
        select
            {{ match["record_id"] }} as record_id,
            {% if match["matched"] == "none" %} {{ batch_audit.text_literal(tojson(unmatched)[:-1]) }}
            {% else %}
                case
                    when {{ match["record_id"] }} is null
                    then {{ batch_audit.text_literal(tojson(unmatched)[:-1]) }}
                    else {{ batch_audit.text_literal('{"matched":"' ~ match["matched"] ~ '"') }}
                end
            {% endif %}
            || case when more then ',"rows_capped":true}' else '}' end as metadata,
            cast(null as text) as old_hash,
            cast(null as text) as record_hash,
            cast(null as text) as old_value,
            {{ batch_audit.json_object_text(values) }} as new_value
        from (
            select f.*, count(*) over () > {{ cap }} as more
            from (
                select f.* {{ ", m.batch_audit_record_id" if match["join"] }}
                from batch_audit_failing as f {{ match["join"] }}
                limit {{ cap + 1 }}
            ) as f
            limit {{ cap }}
        ) as f
    {% endset %}
    {{ batch_audit.temp_table_sql("batch_audit_failing", failing) }}
    {{ batch_audit.temp_table_sql("batch_audit_recorded", batch_audit.recorded_rows_sql(recorded)) }}
    {{ batch_audit.insert_recorded_sql(error, ["record_id", "metadata", "payload_commitment"]) }}
    drop table batch_audit_failing;
{% endmacro %}

{# How many failing rows of a test are recorded at most. #}
{% macro _failing_rows_cap(test) %}
    {% set cap = batch_audit.setting("batch_audit_max_test_rows") | int %}
    {{ return([cap, test.config.limit | int] | min if test.config.limit else cap) }}
{% endmacro %}

{#
  The columns that a test returns: mappings of name (made unique), alias (by position, a test may return a name twice)
  and type. Asks the warehouse, reads no row.
#}
{% macro _failing_columns(test) %}
    {% set names, aliases = [], [] %}
    {% for column in adapter.get_column_schema_from_query(
        "select * from (\n" ~ test.compiled_code ~ "\n) as failing limit 0"
    ) %}
        {% do aliases.append("f_" ~ loop.index0) %}
        {% do names.append(column.name if column.name not in names else column.name ~ "_" ~ loop.index) %}
    {% endfor %}
    {% set no_rows %}
        select *
        from ({{ test.compiled_code }}
        ) as failing({{ aliases | join(", ") }})
        limit 0
    {% endset %}
    {% do run_query(batch_audit.begin_sql() ~ batch_audit.temp_table_sql("batch_audit_described", no_rows)) %}
    {% set columns = batch_audit.relation_columns(batch_audit.temp_relation("batch_audit_described")) %}
    {% do run_query("rollback") %}
    {% for column in columns %}
        {% do column.update({"alias": aliases[loop.index0], "name": names[loop.index0]}) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}
