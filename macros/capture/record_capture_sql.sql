{#
  The statements that record a capture: one checkpoint with its counts, a schema_change when the columns are no longer those
  of the last capture, an out_of_band_change when the previous table is not the one that it left, and a record_write with its
  payload for every changed record (for every record of a first build with `audit_baseline: records`).
#}
{% macro record_capture_sql(plan, found) %}
    {% set first = plan["before"] is none %}
    {% set baseline = first and model.config.get("meta", {}).get("audit_baseline") == "records" %}
    {% if baseline %}
        {% do found.update({"inserts": found["rows_after"]}) %}
        {% set records = batch_audit.record_rows_sql(plan, batch_audit.baseline_rows_sql(plan)) %}
        {% do run_query(
            batch_audit.temp_table_sql(
                "batch_audit_recorded", batch_audit.recorded_rows_sql(records)
            )
        ) %}
    {% endif %}
    {% if baseline or not first %} {% do batch_audit.limit_records(found) %} {% endif %}
    {% set run = batch_audit.run_context() %}
    {% set columns = batch_audit._names_and_types(plan["described"]) %}
    {% set summary = batch_audit.event_fields(
        run,
        batch_audit.capture_part(),
        1,
        "checkpoint",
        metadata={
            "kind": "capture",
            "mode": "baseline" if baseline else "first_build" if first else "changes",
            "capture_no": plan["capture_no"],
            "relation": this | string,
            "scope": "touched rows" if plan["touched"] else "all rows",
            "key": plan["key"],
            "key_rule": plan["key_rule"],
            "ignored": plan["ignored"],
            "columns": columns,
            "rows_before": found["rows_before"],
            "rows_after": found["rows_after"],
            "inserts": found["inserts"],
            "updates": found["updates"],
            "deletes": found["deletes"],
            "not_stored": found.get("not_stored", 0),
            "not_stored_digest": found.get("not_stored_digest"),
            "fingerprint_before": found.get("fingerprint_before"),
            "fingerprint": found["fingerprint"],
            "fingerprint_engine": found["fingerprint_engine"],
            "reconciled": batch_audit._reconciled(plan),
            "note": plan["why_first"],
            "inputs_note": plan["inputs"]["note"],
        },
    ) %}
    {% do summary.update({"target": model.unique_id}) %}
    {% set events = [summary] %}
    {% set columns_before = plan["last"].get("columns") %}
    {% set edited = batch_audit.out_of_band_change(plan, found, summary["occurred_at"]) %}
    {% if edited %}
        {% do exceptions.warn(
            model.name
            ~ ": somebody changed its table since its last capture, outside dbt: "
            ~ edited["expected"]["rows"]
            ~ " rows were left and "
            ~ edited["found"]["rows"]
            ~ " found, with other values. The batch records it as out_of_band_change."
        ) %}
    {% endif %}
    {% for event_type, metadata in [
        ("schema_change", batch_audit.schema_change(columns_before, columns) if columns_before else none),
        ("out_of_band_change", edited),
    ] if metadata %}
        {% do events.append(
            batch_audit.event_fields(
                run,
                batch_audit.capture_part(),
                events | length + 1,
                event_type,
                summary["occurred_at"],
                metadata,
            )
        ) %}
        {% do events[-1].update({"target": model.unique_id}) %}
    {% endfor %}
    {% set changed = found["inserts"] + found["updates"] + found["deletes"] - found.get("not_stored", 0) %}
    {% do found.update({"occurred_at": summary["occurred_at"], "last_seq": events | length + changed}) %}
    {% set sql = batch_audit.insert_events_sql(events) %}
    {% if first and not baseline %} {{ return(sql) }}{% endif %}
    {% if not changed %} {{ return(sql ~ "drop table batch_audit_recorded;\n") }} {% endif %}
    {% set write = batch_audit.event_fields(
        run,
        batch_audit.capture_part(),
        events | length + 1,
        "record_write",
        occurred_at=summary["occurred_at"],
    ) %}
    {% do write.update({"target": model.unique_id}) %}
    {{
        return(
            sql
            ~ batch_audit.insert_recorded_sql(
                write, ["record_id", "change_type", "changed_fields", "payload_commitment"]
            )
        )
    }}
{% endmacro %}
