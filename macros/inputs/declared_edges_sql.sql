{#
  The statement that writes the record edges of a capture by declaration, for `audit_lineage: declared`: every record that it
  changed (of a first build: every record) comes from the rows of each input in audit_inputs whose columns have its key. This
  is what the project says and not what its SQL does, so that its label is `unknown`.
#}
{% macro declared_edges_sql(plan) %}
    {% set run = batch_audit.run_context() %}
    {% set part = batch_audit.text_literal(batch_audit.capture_part()) %}
    {% set baseline = model.config.get("meta", {}).get("audit_baseline") == "records" %}
    {% if plan["before"] is none and not baseline %}
        {% set changed = batch_audit.record_rows_sql(plan, batch_audit.baseline_rows_sql(plan)) %}
    {% else %}
        {% set changed %}
            select e.record_id, p.record_hash
            from {{ batch_audit.store_relation("audit_event") }} as e
            left join {{ batch_audit.store_relation("audit_payload") }} as p
                on p.event_id = e.event_id and p.batch_month = e.batch_month
            where e.segment = {{ batch_audit.text_literal(run["segment"]) }} and e.part = {{ part }}
                and e.batch_month = {{ batch_audit.text_literal(run["batch_month"]) }}
                and e.event_type = 'record_write' and e.change_type <> 'delete'
        {% endset %}
    {% endif %}
    {% set selects = [] %}
    {% for input in plan["inputs"]["inputs"] if input["key"] %}
        {% do selects.append(batch_audit._declared_edges(input)) %}
    {% endfor %}
    {% if not selects %} {{ return("") }}{% endif %}
    {% set shared = {
        "segment": batch_audit.text_literal(run["segment"]),
        "part": part,
        "seq": "cast(row_number() over () as bigint)",
        "batch_id": batch_audit.text_literal(run["batch_id"]),
        "batch_month": batch_audit.text_literal(run["batch_month"]),
        "target": batch_audit.text_literal(model.unique_id),
        "step": "'declared'",
        "role": "'value'",
        "label": "'unknown'",
    } %}
    {% set columns, values = batch_audit.store_columns("audit_record_edge"), [] %}
    {% for name in columns %} {% do values.append(shared.get(name, "d." ~ name)) %} {% endfor %}
    insert into {{ batch_audit.store_relation("audit_record_edge") }} ({{ columns | join(", ") }})
    with changed as (select record_id, record_hash from ({{ changed }}) as c where record_id is not null)
    select {{ values | join(", ") }} from ({{ selects | join(" union all ") }}) as d;
{% endmacro %}

{# The edges that one input declares; where its own key is not known, one edge without records that says so. #}
{% macro _declared_edges(input) %}
    {% set node = graph.sources.get(input["id"]) or graph.nodes.get(input["id"]) %}
    {% set columns = batch_audit.relation_columns(input["relation"]) %}
    {% set by_name = {} %}
    {% for column in columns %}
        {% do by_name.update({batch_audit.fold_name(column["name"]): column}) %}
    {% endfor %}
    {% set own, missing = [], [] %}
    {% for name in batch_audit.record_key(node)["columns"] %}
        {% set column = by_name.get(batch_audit.fold_name(name)) %}
        {% do own.append(column) if column else missing.append(name) %}
    {% endfor %}
    {% set source = batch_audit.text_literal(input["id"]) %}
    {% if not own or missing %}
        {% set why = (
            input["name"]
            ~ " has no key that is known, so that its records have no name: give it unique and not_null tests"
        ) %}
        select
            cast(null as text) as target_record_id,
            cast(null as text) as target_hash,
            {{ source }} as source,
            cast(null as text) as source_record_id,
            cast(null as text) as source_hash,
            {{ batch_audit.text_literal(why) }} as reason
    {% else %}
        {% set why = "audit_inputs says so; the SQL was not read" %}
        select
            c.record_id as target_record_id,
            c.record_hash as target_hash,
            {{ source }} as source,
            {{ batch_audit._key_text(own) }} as source_record_id,
            {{ batch_audit.record_hash_sql(batch_audit._hashed_fields(columns, input["id"]), input["id"]) }}
            as source_hash,
            {{ batch_audit.text_literal(why) }} as reason
        from changed as c
        join {{ input["relation"] }} as t on {{ batch_audit._key_text(input["key"]) }} = c.record_id
    {% endif %}
{% endmacro %}

{# The record id of columns of alias t. #}
{% macro _key_text(columns) %}
    {% set texts = [] %}
    {% for column in columns %}
        {% set value = "t." ~ batch_audit.quoted_name(column["name"]) %}
        {% do texts.append(batch_audit.escaped_field(batch_audit.canonical_text(value, column["type"]))) %}
    {% endfor %}
    {{ return(texts | join(" || '|' || ")) }}
{% endmacro %}

{# What the hash of a record of a node covers: all columns but those that its last capture did not compare. #}
{% macro _hashed_fields(columns, unique_id) %}
    {% set left_out = batch_audit.audit_column_names() + (
        batch_audit.last_capture(unique_id).get("ignored") or []
    ) %}
    {% set folded, by_name, fields = [], {}, [] %}
    {% for name in left_out %} {% do folded.append(batch_audit.fold_name(name)) %} {% endfor %}
    {% for column in columns %} {% do by_name.update({column["name"]: column}) %} {% endfor %}
    {% for name in by_name | sort(case_sensitive=true) if batch_audit.fold_name(name) not in folded %}
        {% do fields.append(
            (
                name,
                batch_audit.canonical_text(
                    "t." ~ batch_audit.quoted_name(name), by_name[name]["type"]
                ),
            )
        ) %}
    {% endfor %}
    {{ return(fields) }}
{% endmacro %}
