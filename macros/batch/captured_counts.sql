{# What this segment's captures counted: node -> mapping of events (captures and refusals), inserts, updates, deletes. #}
{% macro captured_counts(segment) %}
    {% set counted = [] %}
    {% for name in ["inserts", "updates", "deletes"] %}
        {% do counted.append(
            "sum(cast(" ~ (batch_audit.json_text("metadata", name) | trim) ~ " as bigint))"
        ) %}
    {% endfor %}
    {% set rows = run_query(
        "select split_part(part, '@', 1), count(*), " ~ counted
        | join(", ")
        ~ " from "
        ~ batch_audit.store_relation("audit_event")
        ~ " where segment = "
        ~ batch_audit.text_literal(segment)
        ~ " and part not in ('run', 'end') and event_type in ('checkpoint', 'not_captured') group by 1"
    ).rows %}
    {% set counts = {} %}
    {% for row in rows %}
        {% do counts.update(
            {
                row[0]: {
                    "events": row[1] | int,
                    "inserts": (row[2] or 0) | int,
                    "updates": (row[3] or 0) | int,
                    "deletes": (row[4] or 0) | int,
                }
            }
        ) %}
    {% endfor %}
    {{ return(counts) }}
{% endmacro %}
