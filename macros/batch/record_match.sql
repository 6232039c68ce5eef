{#
  How a failing row of a test (alias f, canonical texts) leads to a record of the tested node, as a mapping of record_id
  (SQL), join (SQL), matched and reason: matched is `key` when the row brings the key, `value` when the records with the
  row's values are meant (not_null, unique, accepted_values and relationships return only a value), else `none`. The
  reason is why a row without a record_id has none.
#}
{% macro record_match(test, columns) %}
    {% set unknown = {"record_id": "cast(null as text)", "join": "", "matched": "none"} %}
    {% set tested = batch_audit.tested_node(test) %}
    {% set node = graph.nodes.get(tested) %}
    {% if not node or node.resource_type not in ["model", "seed", "snapshot"] %}
        {% set what = "a " ~ tested.split(".")[0] ~ ", which has no record key" if tested else "no model" %}
        {{ return(dict(unknown, reason="the test is about " ~ what)) }}
    {% endif %}
    {% set relation = load_cached_relation(
        api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)
    ) %}
    {% set key = batch_audit.record_key(node)["columns"] %}
    {% if not key or relation is none %}
        {% set lacks = "record key" if not key else "relation in the warehouse" %}
        {{ return(dict(unknown, reason=node.name ~ " has no " ~ lacks)) }}
    {% endif %}

    {% set returned, known = {}, {} %}
    {% for column in columns %}
        {% do returned.update({batch_audit.fold_name(column["name"]): column}) %}
    {% endfor %}
    {% for column in batch_audit.relation_columns(relation) %}
        {% do known.update({batch_audit.fold_name(column["name"]): column}) %}
    {% endfor %}
    {% set in_row, in_relation = [], [] %}
    {% for name in key %}
        {% set folded = batch_audit.fold_name(name) %}
        {% if folded in returned %}
            {% do in_row.append(batch_audit.escaped_field("f." ~ returned[folded]["alias"])) %}
        {% endif %}
        {% if folded in known %}
            {% do in_relation.append(batch_audit.escaped_field(batch_audit._matched_text(known[folded]))) %}
        {% endif %}
    {% endfor %}
    {% if in_row | length == key | length %}
        {{
            return(
                {
                    "record_id": in_row | join(" || '|' || "),
                    "join": "",
                    "matched": "key",
                    "reason": none,
                }
            )
        }}
    {% endif %}

    {# dbt quotes the name of a column with `quote: true`, and people write it quoted in their YAML. #}
    {% set column_name = test.column_name or "" %}
    {% if column_name.startswith('"') and column_name.endswith('"') %}
        {% set column_name = column_name[1:-1] | replace('""', '"') %}
    {% endif %}
    {% set compared, same = [], [] %}
    {% for name, column in returned.items() %}
        {# dbt's own tests call the tested column by these names in what they return. #}
        {% set renamed = name in ["unique_field", "value_field", "from_field"] and name not in known %}
        {% set meant = batch_audit.fold_name(column_name) if renamed else name %}
        {% if meant in known %}
            {% set matched = "same_" ~ loop.index0 %}
            {% do compared.append(batch_audit._matched_text(known[meant]) ~ " as " ~ matched) %}
            {% do same.append("f." ~ column["alias"] ~ " is not distinct from m." ~ matched) %}
        {% endif %}
    {% endfor %}
    {% set problem = (
        "the key of " ~ node.name ~ " (" ~ key
        | join(", ") ~ ") names columns that it does not have"
        if in_relation | length < key | length
        else (
            "the test returns neither the key of " ~ node.name ~ " (" ~ key
            | join(", ") ~ ") nor any of its columns"
            if not same
            else none
        )
    ) %}
    {# Records that the test's own `where` leaves out have not failed, although they may have the same values. #}
    {% set where = test.config.where %}
    {% if where and ("(select * from " ~ relation ~ " where " ~ where ~ ")") not in test.compiled_code %}
        {% set problem = (
            "the project rewrites the test's where, so it is not known which records were tested"
        ) %}
    {% endif %}
    {% if problem %} {{ return(dict(unknown, reason=problem)) }}{% endif %}
    {{
        return(
            {
                "record_id": "f.batch_audit_record_id",
                "matched": "value",
                "reason": "no record of " ~ node.name ~ " has these values",
                "join": " left join (select " ~ compared
                | join(", ") ~ ", " ~ in_relation
                | join(" || '|' || ")
                ~ " as batch_audit_record_id from "
                ~ ("(select * from " ~ relation ~ " where " ~ where ~ ")" if where else relation)
                ~ " as m) as m on "
                ~ same
                | join(" and "),
            }
        )
    }}
{% endmacro %}

{% macro _matched_text(column) %}
    {{ return(batch_audit.canonical_text("m." ~ batch_audit.quoted_name(column["name"]), column["type"])) }}
{% endmacro %}
