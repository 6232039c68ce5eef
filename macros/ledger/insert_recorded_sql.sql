{#
  Inserts the rows of a temporary table as events, with their payloads (see recorded_rows_sql) if they have any, and drops it. `event` has
  the columns that all of them share and, as seq, the number of the first; `varying` names the event columns that the rows
  bring themselves. An event's id hashes its seq, so ids stand in a narrow table of their own between the two inserts.
#}
{% macro insert_recorded_sql(event, varying, recorded="batch_audit_recorded", payloads=true) %}
    {% set row = batch_audit.stored_row(recorded) %}
    {% set shared = [] %}
    {% for column in batch_audit.store_columns("audit_event") if column not in varying + ["seq", "event_id"] %}
        {% set value = event.get(column) %}
        {% if value is none %} {% do shared.append("cast(null as text) as " ~ column) %}
        {% elif value is string %} {% do shared.append(batch_audit.text_literal(value) ~ " as " ~ column) %}
        {% else %} {% do shared.append("cast(" ~ value ~ " as bigint) as " ~ column) %}
        {% endif %}
    {% endfor %}
    {% set seq = "cast(" ~ row["number"] ~ " + " ~ (event["seq"] - 1) ~ " as bigint) as seq" %}
    {% set ids %}
        select r.row_id, r.seq, {{ batch_audit.sha256_hex(batch_audit.row_text("audit_event", "r")) }} as event_id
        from (
            select {{ row["id"] }} as row_id, {{ seq }}, {{ shared | join(", ") }}, {{ varying | join(", ") }}
            from {{ recorded }}
        ) as r
    {% endset %}
    {{ batch_audit.temp_table_sql("batch_audit_ids", ids) }}
    {% for table in ["audit_event"] + (["audit_payload"] if payloads else []) %}
        {% set columns = batch_audit.store_columns(table) | join(", ") %}
        insert into {{ batch_audit.store_relation(table) }} ({{ columns }})
        select {{ columns }}
        from (
            select
                i.seq,
                i.event_id,
        {{ shared | join(", ") }},
        {{ "cast(null as text) as subject_id," if table == "audit_payload" }}
                r.*
            from {{ recorded }} as r
            join batch_audit_ids as i on i.row_id = r.{{ row["id"] }}
        ) as r;
    {% endfor %}
    drop table batch_audit_ids;
    drop table {{ recorded }};
{% endmacro %}
