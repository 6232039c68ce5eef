{#
  Turns what was measured of a plan's touched rows (rows_before, rows_after, fingerprint) into what holds for the whole
  model: the last capture's count and fingerprint, less the touched rows as they were, and with them as they are. Where the
  last capture does not say, or what it says cannot be compared, the model is read once.
#}
{% macro carry_forward(plan, found) %}
    {% set last = plan["last"] %}
    {% set known = plan["comparable"] and last.get("fingerprint_engine") == found["fingerprint_engine"] %}
    {% if known %}
        {% set grown = found["inserts"] - found["deletes"] %}
        {% set touched = (found["fingerprint"] | int) - (found["fingerprint_before"] | int) %}
        {% do found.update(
            {
                "rows_before": last["rows_after"],
                "rows_after": last["rows_after"] + grown,
                "fingerprint": ((last["fingerprint"] | int) + touched) | string,
            }
        ) %}
    {% else %}
        {% set row = run_query(
            "select "
            ~ batch_audit.fingerprint_sql("t", plan["compared_after"])
            ~ " from "
            ~ plan["whole"]
            ~ " as t"
        ).rows[0] %}
        {% set rows = row["rows_counted"] | int %}
        {% do found.update(
            {
                "rows_before": rows - found["inserts"] + found["deletes"],
                "rows_after": rows,
                "fingerprint": row["fingerprint"],
            }
        ) %}
    {% endif %}
{% endmacro %}
