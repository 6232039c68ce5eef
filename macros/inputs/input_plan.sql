{#
  The inputs of the model that a capture reads again, as a mapping: inputs (a list of mappings of id, name, relation, key,
  rule (who named it), is_table, only_counted (why its key is empty)), known (how many inputs the model has), note (why there
  are none), or problem and remedy when meta audit_inputs cannot be followed. Without audit_inputs it is the only input of
  a model that is built anew, if it has columns of the record key's names. Only reads.
#}
{% macro input_plan(plan) %}
    {% set meta = model.config.get("meta", {}) %}
    {% set asked = meta.get("audit_inputs") %}
    {% set unusable = batch_audit._unusable_settings(meta) %}
    {% if unusable %} {{ return(unusable) }}{% endif %}
    {% if asked is false or asked in ["off", "none"] %}
        {{ return({"inputs": [], "note": "audit_inputs is off"}) }}
    {% endif %}
    {% set known = batch_audit._model_inputs() %}
    {% if asked is not none %} {{ return(batch_audit._declared_inputs(asked, known, plan)) }}{% endif %}
    {% set anew = not plan["in_place"] and not batch_audit.captured_without_hook(model) %}
    {% if not anew or known | length != 1 %}
        {% set why = "reads " ~ known | length ~ " inputs" if anew else "was changed in place" %}
        {{ return({"inputs": [], "note": "audit_inputs names no input, and the model " ~ why}) }}
    {% endif %}
    {% set found = batch_audit._described_input((known.keys() | list)[0], plan["key"], "inferred", plan) %}
    {% if found["problem"] %} {{ return({"inputs": [], "note": found["problem"]}) }}{% endif %}
    {{ return({"inputs": [found], "note": none, "known": 1}) }}
{% endmacro %}

{# Problem and remedy when what says how much to store is none of the values that it may have; none when it is. #}
{% macro _unusable_settings(meta) %}
    {% for name in ["audit_max_skips", "audit_max_reads"] %}
        {% set most = meta.get(name, 0) %}
        {% if most is not integer or most is boolean or most < 0 %}
            {{
                return(
                    {"problem": "its " ~ name ~ " is " ~ most, "remedy": "Write a whole number, 0 or more."}
                )
            }}
        {% endif %}
    {% endfor %}
    {% if meta.get("audit_reads", "counts") not in ["counts", "records"] %}
        {{
            return(
                {
                    "problem": "its audit_reads is " ~ meta.get("audit_reads"),
                    "remedy": "Write counts or records.",
                }
            )
        }}
    {% endif %}
    {% set lineage = meta.get("audit_lineage", "none") %}
    {% if lineage not in ["none", "records", "declared"] %}
        {{
            return(
                {
                    "problem": "its audit_lineage is " ~ lineage,
                    "remedy": "Write records (the runner traces its SQL), declared (audit_inputs says it) or none.",
                }
            )
        }}
    {% elif lineage == "declared" and not meta.get("audit_inputs") %}
        {{
            return(
                {
                    "problem": "its audit_lineage is declared, and audit_inputs declares nothing",
                    "remedy": "Under meta write audit_inputs: {input: [its columns for the model's key]}.",
                }
            )
        }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}

{# What the model reads: unique_id -> the names by which audit_inputs may call it. #}
{% macro _model_inputs() %}
    {% set known = {} %}
    {% for id in (model.depends_on.nodes or []) | sort if id != model.unique_id %}
        {% set node = graph.nodes.get(id) %}
        {% set source = graph.sources.get(id) %}
        {% if node and node.resource_type | string in ["model", "seed", "snapshot"] %}
            {% set names = [id, node.name, node.package_name ~ "." ~ node.name] %}
            {% if node.get("version") is not none %}
                {% do names.append(node.name ~ ".v" ~ node.version) %}
            {% endif %}
            {% do known.update({id: names}) %}
        {% elif source %}
            {% do known.update({id: [id, source.name, source.source_name ~ "." ~ source.name]}) %}
        {% endif %}
    {% endfor %}
    {{ return(known) }}
{% endmacro %}

{% macro _declared_inputs(asked, known, plan) %}
    {% set wanted, named = {}, (asked if asked is iterable and asked is not string else [asked]) %}
    {% for name in named %}
        {% do wanted.update({name | string: asked[name] if asked is mapping else plan["key"]}) %}
    {% endfor %}
    {% set inputs, problems, ids = [], [], {} %}
    {# dbt's static parser gives a mapping in an order of chance. #}
    {% for name, columns in wanted | dictsort %}
        {% set matches = [] %}
        {% for id, names in known.items() if name in names %} {% do matches.append(id) %} {% endfor %}
        {% set columns = [] if columns is none else [columns] if columns is string else columns %}
        {% if matches | length != 1 %}
            {% do problems.append(
                name
                ~ (
                    ", which the model does not read"
                    if not matches
                    else ", which may be " ~ matches | join(" or ")
                )
            ) %}
        {% elif matches[0] in ids %}
            {% do problems.append(name ~ ", which " ~ ids[matches[0]] ~ " names, too") %}
        {% elif columns is mapping or columns is not iterable or columns | reject("string") | list %}
            {% do problems.append(name ~ ", with something else than a column or a list of columns") %}
        {% else %}
            {% do ids.update({matches[0]: name}) %}
            {% set found = batch_audit._described_input(matches[0], columns, "audit_inputs", plan) %}
            {% do problems.append(found["problem"]) if found["problem"] else inputs.append(found) %}
        {% endif %}
    {% endfor %}
    {% if problems %}
        {% set names = [] %}
        {% for id in known %} {% do names.append(known[id][-1]) %} {% endfor %}
        {{
            return(
                {
                    "problem": "its audit_inputs names " ~ problems | join("; and "),
                    "remedy": "The model reads: "
                    ~ (names | join(", ") or "nothing")
                    ~ ". Its key is "
                    ~ plan["key"]
                    | join(", ")
                    ~ ".\n  Under meta write audit_inputs: {input: [its columns for that key]},"
                    ~ " with ~ instead of columns for an input whose rows are only counted.",
                }
            )
        }}
    {% endif %}
    {{
        return(
            {
                "inputs": inputs,
                "note": none if inputs else "audit_inputs is empty",
                "known": known | length,
            }
        )
    }}
{% endmacro %}

{# One input with its relation and the types of its key columns, or with a problem. Nothing may fail for an inferred one. #}
{% macro _described_input(id, columns, rule, plan) %}
    {% set source = graph.sources.get(id) %}
    {% set node = source or graph.nodes.get(id) %}
    {% set name = source.source_name ~ "." ~ source.name if source else node.name %}
    {% if not source and node.config.materialized == "ephemeral" %}
        {{ return({"problem": name ~ ", which is ephemeral and has no rows of its own"}) }}
    {% endif %}
    {% if source %} {% set relation = builtins.source(source.source_name, source.name) %}
    {% elif node.get("version") is not none %}
        {% set relation = builtins.ref(node.package_name, node.name, v=node.version) %}
    {% else %} {% set relation = builtins.ref(node.package_name, node.name) %}
    {% endif %}
    {% set external = relation.external is defined and relation.external %}
    {% set stored = (
        none
        if external
        else adapter.get_relation(relation.database, relation.schema, relation.identifier)
    ) %}
    {% if not external and stored is none %}
        {{ return({"problem": name ~ ", and there is no table or view " ~ relation}) }}
    {% elif columns and columns | length != plan["key"] | length %}
        {{
            return(
                {
                    "problem": name ~ " with " ~ columns
                    | length ~ " of the " ~ plan["key"]
                    | length ~ " columns of the key"
                }
            )
        }}
    {% endif %}
    {% set described = {} %}
    {% for column in batch_audit.relation_columns(relation if external else stored) if columns %}
        {% do described.update({batch_audit.fold_name(column["name"]): column}) %}
    {% endfor %}
    {% set key, missing = [], [] %}
    {% for column in columns %}
        {% set there = described.get(batch_audit.fold_name(column)) %}
        {% do key.append(there) if there else missing.append(column) %}
    {% endfor %}
    {% if missing %}
        {{ return({"problem": name ~ ", which has no column " ~ missing | join(" and no column ")}) }}
    {% endif %}
    {% set windowed = relation.event_time_filter is defined and relation.event_time_filter is not none %}
    {% set in_batches = model.config.get("incremental_strategy") == "microbatch" and not windowed %}
    {{
        return(
            {
                "id": id,
                "name": name,
                "relation": relation,
                "key": [] if in_batches else key,
                "rule": rule,
                "is_table": not external and stored.is_table and relation | string == stored | string,
                "only_counted": (
                    "the model is built in batches, and dbt gives each of them all rows of this input, which has no event_time"
                    if in_batches
                    else none if key else "audit_inputs gives no key for it"
                ),
                "problem": none,
            }
        )
    }}
{% endmacro %}
