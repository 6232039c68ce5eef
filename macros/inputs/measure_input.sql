{#
  What a capture says of one input, as the metadata of its record_read: how many rows the input has, how many of them stand
  for a record that the model has (written), that it has not (skipped) or for none (null_key), and why rows were skipped.
  Counted after the build, in its transaction. Where keys were compared it leaves batch_audit_input (found: `skip`,
  `extra` or `read`, number of rows, k_0, k_1 … of the key) and, if they were copied first, batch_audit_read (k_0, k_1 … of all rows).
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
    {% if input["only_counted"] or (
        input["rule"] == "inferred" and input["is_table"] and not told["unknown"] and not records
    ) %}
        {% set rows = (
            run_query("select count(*) from (select * from " ~ input["relation"] ~ ") as t").rows[
                0
            ][0]
            | int
        ) %}
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
        {% set why = (
            told["unknown"]
            or "its SQL keeps all rows, so that the input, or the model, has changed otherwise"
        ) %}
        {% do facts.update(
            {
                "reason": (
                    "filter: " ~ told["filter"]
                    if told["filter"] and not told["unknown"]
                    else "unknown: " ~ why
                )
            }
        ) %}
    {% endif %}
    {{ return(facts) }}
{% endmacro %}

{#
  Compares the keys of an input's rows with those of the model's records. Keys stay what they are (k_0, k_1 …): only the few
  that are stored become text.
#}
{% macro _compared_input(plan, found, input) %}
    {% set sides = {"value": ["1 as present"], "model_value": ["1 as present"]} %}
    {% set same, is_null, keys, by_text = [], [], [], [] %}
    {% for key in batch_audit._key_pairs(plan, input) %}
        {% set name = "k_" ~ loop.index0 %}
        {% do sides["value"].append(key["value"] ~ " as " ~ name) %}
        {% do sides["model_value"].append(key["model_value"] ~ " as " ~ name) %}
        {% do same.append("i." ~ name ~ " = o." ~ name) %}
        {% do is_null.append(name ~ " is null") %}
        {% do keys.append(name) %}
        {% if key["by_text"] %} {% do by_text.append(name) %} {% endif %}
    {% endfor %}
    {% set read = (
        "(select " ~ sides["value"]
        | join(", ") ~ " from (select * from " ~ input["relation"] ~ ") as t)"
    ) %}
    {% set clean = "drop table if exists batch_audit_input;\ndrop table if exists batch_audit_read;\n" %}
    {% set listed = model.config.get("meta", {}).get("audit_reads") == "records" %}
    {% if not input["is_table"] or listed %}
        {# A view is computed once, and what is counted and what is compared are the same rows. #}
        {% set clean = clean ~ batch_audit.temp_table_sql(
            "batch_audit_read", "select * from " ~ read ~ " as r"
        ) %}
        {% set read = "batch_audit_read" %}
    {% endif %}
    {% set rows %}
        select case when i.present is null then 'extra' else 'skip' end as found, count(*) as number,
            i.{{ keys | join(", i.") }}
        from {{ read }} as i
        full outer join
            (select {{ sides["model_value"] | join(", ") }} from {{ plan["whole"] }} as t) as o
            on {{ same | join(" and ") }}
        where i.present is null or o.present is null
        group by i.present, i.{{ keys | join(", i.") }}
        union all
        select 'read', count(*) {% for name in keys %}, null {% endfor %} from {{ read }} as i
    {% endset %}
    {% do run_query(clean ~ batch_audit.temp_table_sql("batch_audit_input", rows)) %}
    {% set sums = [] %}
    {% set keyless = "(" ~ is_null | join(" or ") ~ ")" %}
    {% set skipped = "found = 'skip' and not " ~ keyless %}
    {% for name, condition in [
        ("rows_read", "found = 'read'"),
        ("null_keys", "found = 'skip' and " ~ keyless),
        ("rows_skipped", skipped),
        ("extra", "found = 'extra'"),
    ] %}
        {% do sums.append("coalesce(sum(case when " ~ condition ~ " then number end), 0) as " ~ name) %}
    {% endfor %}
    {% set row = run_query(
        "select " ~ sums
        | join(", ")
        ~ ", count(case when "
        ~ skipped
        ~ " then 1 end) as records_skipped from batch_audit_input"
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

{#
  The columns of a key as mappings of value and model_value (SQL over t, the input's or the model's rows, that are equal for
  one record), record_text (of k_0, k_1 …, which hold the value) and by_text (whether the types differ).
#}
{% macro _key_pairs(plan, input) %}
    {% set whole_number = "(?i)^u?(tiny|small|big|huge)?int(eger)?$" %}
    {% set pairs = [] %}
    {% for column in input["key"] %}
        {% set name = plan["key"][loop.index0] %}
        {% set own = plan["described"] | selectattr("name", "equalto", name) | first %}
        {% set kept = "k_" ~ loop.index0 %}
        {% set numbers = modules.re.match(whole_number, column["type"]) and modules.re.match(
            whole_number, own["type"]
        ) %}
        {% set value = "t." ~ batch_audit.quoted_name(column["name"]) %}
        {% set model_value = "t." ~ batch_audit.quoted_name(name) %}
        {% set direct = (numbers or column["type"] == own["type"]) and not (
            column["loose"] or own["loose"]
        ) %}
        {% do pairs.append(
            {
                "value": value if direct else batch_audit.canonical_text(value, column["type"]),
                "model_value": (
                    model_value if direct else batch_audit.canonical_text(model_value, own["type"])
                ),
                "record_text": batch_audit.escaped_field(
                    batch_audit.canonical_text(kept, column["type"]) if direct else kept
                ),
                "by_text": not numbers and column["type"] != own["type"],
            }
        ) %}
    {% endfor %}
    {{ return(pairs) }}
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
    {% elif plan["in_place"] and own and model.config.materialized == "incremental" %}
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
