{#
  What a capture says of one input, as the metadata of its record_read: how many rows the input has, how many of them stand
  for a record that the model has (written), that it has not (skipped) or for none (null_key), and why rows were skipped.
  Counted after the build, in its transaction. Leaves batch_audit_input where keys were compared: `found` (read, skip or
  extra), record_id, number.
#}
{% macro measure_input(plan, found, input) %}
    {% set facts = {
        "relation": input["relation"] | string,
        "rule": input["rule"],
        "key": plan["key"] if input["key"] else none,
        "input_key": (input["key"] | map(attribute="name") | list) or none,
        "compared_by": none,
        "reason": none,
        "note": input["only_counted"],
    } %}
    {% set told = batch_audit._told_filter(plan, input) %}
    {% set records = model.config.get("meta", {}).get("audit_reads") == "records" %}
    {% if input["only_counted"] or (input["rule"] == "inferred" and input["is_table"] and not told["unknown"] and not records) %}
        {% set rows = run_query("select count(*) from (select * from " ~ input["relation"] ~ ") as t").rows[0][0] | int %}
        {% do facts.update({"rows_read": rows}) %}
        {% if input["only_counted"] %} {{ return(facts) }}{% endif %}
        {# SQL of this shape makes one row of each that its filter lets through: as many rows are the same rows. #}
        {% if rows == found["rows_after"] %}
            {% do facts.update({"compared_by": "count", "rows_written": rows, "records_written": rows}) %}
            {% for name in ["rows_skipped", "rows_null_key", "records_skipped", "records_without_input"] %}
                {% do facts.update({name: 0}) %}
            {% endfor %}
            {{ return(facts) }}
        {% endif %}
    {% endif %}
    {% do facts.update(batch_audit._compared_input(plan, found, input)) %}
    {% if facts["records_without_input"] and not told["unknown"] %}
        {% do told.update({"unknown": "the model has records with keys that this input has not"}) %}
    {% endif %}
    {% if facts["rows_skipped"] %}
        {% set why = told["unknown"] or "its SQL keeps all rows, so that the input, or the model, has changed otherwise" %}
        {% do facts.update(
            {
                "reason": (
                    "filter: " ~ told["filter"] if told["filter"] and not told["unknown"] else "unknown: " ~ why
                )
            }
        ) %}
    {% endif %}
    {{ return(facts) }}
{% endmacro %}

{# Compares the keys of an input's rows with those of the model's records. #}
{% macro _compared_input(plan, found, input) %}
    {% set texts, own, same, by_text = [], [], [], [] %}
    {% set whole_number = "(?i)^u?(tiny|small|big|huge)?int(eger)?$" %}
    {% for column in input["key"] %}
        {% set name = plan["key"][loop.index0] %}
        {% set other = plan["described"] | selectattr("name", "equalto", name) | first %}
        {% set value, model_value = "t." ~ batch_audit.quoted_name(column["name"]), "t." ~ batch_audit.quoted_name(name) %}
        {% set numbers = modules.re.match(whole_number, column["type"]) and modules.re.match(
            whole_number, other["type"]
        ) %}
        {% set text = batch_audit.canonical_text(value, column["type"]) %}
        {% if column["loose"] or other["loose"] or not (numbers or column["type"] == other["type"]) %}
            {% set value, model_value = text, batch_audit.canonical_text(model_value, other["type"]) %}
            {% if column["type"] != other["type"] %} {% do by_text.append(name) %} {% endif %}
        {% endif %}
        {% do own.append({"value": value, "model_value": model_value}) %}
        {% do texts.append(batch_audit.escaped_field(text)) %}
        {% do same.append("i.k_" ~ loop.index0 ~ " = o.k_" ~ loop.index0) %}
    {% endfor %}
    {% set sides = {} %}
    {% for side, relation in [("value", "(select * from " ~ input["relation"] ~ ")"), ("model_value", plan["whole"])] %}
        {% set selected = ["1 as present"] %}
        {% for key in own %} {% do selected.append(key[side] ~ " as k_" ~ loop.index0) %} {% endfor %}
        {% if side == "value" %} {% do selected.append(texts | join(" || '|' || ") ~ " as record_id") %} {% endif %}
        {% do sides.update({side: "select " ~ selected | join(", ") ~ " from " ~ relation ~ " as t"}) %}
    {% endfor %}
    {% set read = "(" ~ sides["value"] ~ ")" %}
    {% do run_query("drop table if exists batch_audit_input") %}
    {% if not input["is_table"] %}
        {# A view is computed once, and what is counted and what is compared are the same rows. #}
        {% do run_query(
            "drop table if exists batch_audit_read;\n"
            ~ batch_audit.temp_table_sql("batch_audit_read", sides["value"])
        ) %}
        {% set read = "batch_audit_read" %}
    {% endif %}
    {% set records = model.config.get("meta", {}).get("audit_reads") == "records" %}
    {% set rows %}
        select 'read' as found, {{ "record_id" if records else "cast(null as text) as record_id" }}, count(*) as number
        from {{ read }} as i {{ "group by record_id" if records }}
        union all
        select case when i.present is null then 'extra' else 'skip' end, i.record_id, 1
        from {{ read }} as i full outer join ({{ sides["model_value"] }}) as o on {{ same | join(" and ") }}
        where i.present is null or o.present is null
    {% endset %}
    {% do run_query(batch_audit.temp_table_sql("batch_audit_input", rows)) %}
    {% set row = run_query(
        "select coalesce(sum(case when found = 'read' then number end), 0) as rows_read,"
        ~ " count(case when found = 'skip' and record_id is null then 1 end) as null_keys,"
        ~ " count(case when found = 'skip' then record_id end) as rows_skipped,"
        ~ " count(distinct case when found = 'skip' then record_id end) as records_skipped,"
        ~ " count(case when found = 'extra' then 1 end) as extra from batch_audit_input"
    ).rows[0] %}
    {{
        return(
            {
                "compared_by": "text" if by_text else "value",
                "rows_read": row["rows_read"] | int,
                "rows_written": (row["rows_read"] - row["null_keys"] - row["rows_skipped"]) | int,
                "rows_skipped": row["rows_skipped"] | int,
                "rows_null_key": row["null_keys"] | int,
                "records_written": (found["rows_after"] - row["extra"]) | int,
                "records_skipped": row["records_skipped"] | int,
                "records_without_input": row["extra"] | int,
            }
        )
    }}
{% endmacro %}

{# What filter_of_sql tells of this build, if nothing but the model's own SQL can have left rows out. #}
{% macro _told_filter(plan, input) %}
    {% set hooks = [] %}
    {% for hook in model.config.get("post-hook") or [] if "batch_audit.capture" not in hook["sql"] %}
        {% do hooks.append(hook) %}
    {% endfor %}
    {% set strategy = (config.get("incremental_strategy") or "default") | replace("+", "_") %}
    {% set clauses = config.get("merge_clauses") or config.get("merge_update_set_expressions") %}
    {% set own = strategy not in ["default", "append", "delete_insert", "merge"] or clauses %}
    {% set sampled = input["relation"].limit is not none or input["relation"].event_time_filter is not none %}
    {% set why = namespace(unknown=none) %}
    {% if plan["inputs"]["known"] != 1 %} {% set why.unknown = "the model reads several inputs" %}
    {% elif hooks %} {% set why.unknown = "the model has hooks of its own that may change it after its SQL" %}
    {% elif strategy == "microbatch" %} {% set why.unknown = "the model is built in batches" %}
    {% elif sampled %} {% set why.unknown = "the run reads a part of the input" %}
    {% elif plan["kept"] and own and model.config.materialized == "incremental" %}
        {% set why.unknown = "the model's own incremental strategy may leave rows out" %}
    {% elif model.language != "sql" %} {% set why.unknown = "the model is not SQL" %}
    {% endif %}
    {% if why.unknown %} {{ return({"filter": none, "unknown": why.unknown}) }}{% endif %}
    {% set keys = [] %}
    {% for column in input["key"] %}
        {% do keys.append({"name": plan["key"][loop.index0], "input_name": column["name"]}) %}
    {% endfor %}
    {{ return(batch_audit.filter_of_sql(model.compiled_code, keys)) }}
{% endmacro %}
