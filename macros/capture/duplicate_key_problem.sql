{# Problem and remedy when the new relation repeats keys, naming how many and a few of them; none when it does not. #}
{% macro duplicate_key_problem(plan) %}
    {% set key = [] %}
    {% for name in plan["key"] %} {% do key.append(batch_audit.quoted_name(name)) %} {% endfor %}
    {% set rows = run_query(
        "select count(*) over () as batch_audit_repeated, " ~ key
        | join(", ") ~ " from " ~ plan["after"] ~ " as t group by " ~ key
        | join(", ") ~ " having count(*) > 1 order by " ~ key
        | join(", ") ~ " limit 3"
    ).rows %}
    {% if not rows | length %} {{ return(none) }}{% endif %}
    {% set examples = [] %}
    {% for row in rows %}
        {% set values = [] %}
        {% for name in plan["key"] %} {% do values.append(name ~ " = " ~ row[loop.index]) %} {% endfor %}
        {% do examples.append(values | join(", ")) %}
    {% endfor %}
    {% set count = rows[0][0] | int %}
    {{
        return(
            {
                "problem": count
                ~ (" key occurs" if count == 1 else " keys occur")
                ~ " more than once ("
                ~ examples
                | join("; ") ~ ("; …" if count > 3 else "") ~ "); the key is " ~ plan["key"]
                | join(", ") ~ ", from " ~ plan["key_rule"],
                "remedy": "Make the key unique, or name the columns that identify a record: meta: {audit_key: ["
                ~ plan["key"]
                | join(", ") ~ ", ...]}",
            }
        )
    }}
{% endmacro %}
