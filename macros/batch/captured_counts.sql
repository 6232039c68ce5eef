{# What this segment's captures wrote: node -> mapping of events, inserts, updates, deletes. #}
{% macro captured_counts(segment) %}
    {% set rows = run_query(
        "select split_part(part, '@', 1), count(*), sum(case when change_type = 'insert' then 1 else 0 end),"
        ~ " sum(case when change_type = 'update' then 1 else 0 end), sum(case when change_type = 'delete' then 1 else 0 end)"
        ~ " from "
        ~ batch_audit.store_relation("audit_event")
        ~ " where segment = "
        ~ batch_audit.text_literal(segment)
        ~ " and part <> 'run' group by 1"
    ).rows %}
    {% set counts = {} %}
    {% for row in rows %}
        {% do counts.update(
            {
                row[0]: {
                    "events": row[1] | int,
                    "inserts": row[2] | int,
                    "updates": row[3] | int,
                    "deletes": row[4] | int,
                }
            }
        ) %}
    {% endfor %}
    {{ return(counts) }}
{% endmacro %}
