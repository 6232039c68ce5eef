{#
  The statements that record, after a capture (plan, found), what it read of each of the plan's inputs: one record_read with
  counts, a record_skip for each record of the input that the model has not, and with `audit_reads: records` a record_read
  for each of its records. Of both kinds audit_max_skips and audit_max_reads are stored at most, the first by their key.
#}
{% macro record_inputs_sql(plan, found) %}
    {% set meta = model.config.get("meta", {}) %}
    {% set events, inserts = [], [] %}
    {% set last = namespace(seq=found["last_seq"]) %}
    {% for input in plan["inputs"]["inputs"] %}
        {% set facts = batch_audit.measure_input(plan, found, input) %}
        {% set shared = {"source": input["id"], "target": model.unique_id} %}
        {% set kept = [] %}
        {% for kind in ["skip", "read"] if facts["compared_by"] in ["value", "text"] %}
            {% set table = "batch_audit_" ~ kind ~ "_" ~ events | length %}
            {% set total = facts["records_skipped"] + (facts["records_written"] if kind == "read" else 0) %}
            {% set most = meta.get("audit_max_" ~ kind ~ "s", 1000) %}
            {% if kind == "skip" or meta.get("audit_reads") == "records" %}
                {% do facts.update(batch_audit._kept_ids(plan, input, kind, table, total, most)) %}
                {% do kept.append((kind, table, [total, most] | min)) %}
            {% endif %}
        {% endfor %}
        {% do events.append(batch_audit._input_event(found, last.seq + 1, "read", facts, shared)) %}
        {% set last.seq = last.seq + 1 %}
        {% for kind, table, stored in kept if stored %}
            {% set said = (
                {"reason": facts["reason"] | truncate(300, true, "…", 0)}
                if kind == "skip"
                else none
            ) %}
            {% set event = batch_audit._input_event(found, last.seq + 1, kind, said, shared) %}
            {% do inserts.append(
                batch_audit.insert_recorded_sql(event, ["record_id"], table, payloads=false)
            ) %}
            {% set last.seq = last.seq + stored %}
        {% endfor %}
    {% endfor %}
    {{ return(batch_audit.insert_events_sql(events) ~ inserts | join) }}
{% endmacro %}

{% macro _input_event(found, seq, kind, metadata, shared) %}
    {% set event = batch_audit.event_fields(
        batch_audit.run_context(),
        batch_audit.capture_part(),
        seq,
        "record_" ~ kind,
        found["occurred_at"],
        metadata,
    ) %}
    {% do event.update(shared) %}
    {{ return(event) }}
{% endmacro %}

{#
  Makes a temporary table of the record ids that are stored one by one, the first `most` of `total` by their key, and says
  how many others there are; of an input that was asked for also the list_digest_sql of their SHA-256.
#}
{% macro _kept_ids(plan, input, kind, table, total, most) %}
    {% set keys, filled, texts = [], [], [] %}
    {% for key in batch_audit._key_pairs(plan, input) %}
        {% do keys.append("k_" ~ loop.index0) %}
        {% do filled.append("k_" ~ loop.index0 ~ " is not null") %}
        {% do texts.append(key["record_text"]) %}
    {% endfor %}
    {% set ids %}
        select {{ texts | join(" || '|' || ") }} as record_id, {{ keys | join(", ") }}
        from {{ "batch_audit_input" if kind == "skip" else "batch_audit_read" }}
        where {{ filled | join(" and ") }} {% if kind == "skip" %} and found = 'skip' {% endif %}
        {% if kind == "read" %} group by {{ keys | join(", ") }} {% endif %}
        order by {{ keys | join(", ") }}
    {% endset %}
    {% if total and most %}
        {% do run_query(
            batch_audit.temp_table_sql(
                table, "select record_id from (" ~ ids ~ " limit " ~ most ~ ") as r"
            )
        ) %}
    {% endif %}
    {% set digest = none %}
    {% if total > most and input["rule"] != "inferred" %}
        {% set others %}
            select {{ batch_audit.sha256_hex("record_id") }} as digest from ({{ ids }}) as r
            {% if most %} where not exists (select 1 from {{ table }} as s where s.record_id = r.record_id) {% endif %}
        {% endset %}
        {% set digest = run_query(batch_audit.list_digest_sql(others)).rows[0][0] %}
    {% endif %}
    {{
        return(
            {
                kind ~ "s_not_stored": [total - most, 0] | max,
                kind ~ "s_not_stored_digest": digest,
            }
        )
    }}
{% endmacro %}
