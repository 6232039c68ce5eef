{# Problem and remedy when key columns of the new relation are NULL, with a few of the rows. #}
{% macro null_key_problem(plan, count) %}
    {% set key, is_null = [], [] %}
    {% for name in plan["key"] %}
        {% do key.append(batch_audit.quoted_name(name)) %}
        {% do is_null.append(batch_audit.quoted_name(name) ~ " is null") %}
    {% endfor %}
    {% set rows = run_query(
        "select " ~ key
        | join(", ") ~ " from " ~ plan["after"] ~ " as t where " ~ is_null
        | join(" or ") ~ " limit 3"
    ).rows %}
    {% set examples = [] %}
    {% for row in rows %}
        {% set values = [] %}
        {% for name in plan["key"] %}
            {% do values.append(name ~ " = " ~ ("NULL" if row[loop.index0] is none else row[loop.index0])) %}
        {% endfor %}
        {% do examples.append(values | join(", ")) %}
    {% endfor %}
    {{
        return(
            {
                "problem": count
                ~ (" row has" if count == 1 else " rows have")
                ~ " NULL in the key ("
                ~ examples
                | join("; ") ~ "); the key is " ~ plan["key"]
                | join(", ") ~ ", from " ~ plan["key_rule"],
                "remedy": "Leave such rows out or give them a key, or name other columns: meta: {audit_key: [...]}",
            }
        )
    }}
{% endmacro %}
