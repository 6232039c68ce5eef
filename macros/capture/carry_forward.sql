{#
  Turns what was measured of a plan's touched rows (rows_before, rows_after, fingerprint_before, fingerprint) into what
  holds for the whole model: its count and fingerprint before, less the touched rows as they were, and with them as they
  are. Before is as the last capture left it, with what somebody has done to it since where this capture reconciles. Where
  that does not say, or what it says cannot be compared, the model is read once.
#}
{% macro carry_forward(plan, found) %}
    {% set last = plan["last"] %}
    {% set known = plan["comparable"] and last.get("fingerprint_engine") == found["fingerprint_engine"] %}
    {% set grown = found["inserts"] - found["deletes"] %}
    {% set touched = (found["fingerprint"] | int) - (found["fingerprint_before"] | int) %}
    {% if known %}
        {% set rows_after, fingerprint = last["rows_after"] + grown, last["fingerprint"] | int + touched %}
        {% set reconciled = plan["reconciled"] or {} %}
        {% if reconciled.get("last") %}
            {# An edit is told once: from here on it counts as having been there. #}
            {% set expected = reconciled["last"] %}
            {% set rows_after = rows_after + reconciled["rows"] - expected["rows_after"] %}
            {% set edited = (reconciled["fingerprint"] | int) - (expected["fingerprint"] | int) %}
            {% set fingerprint = fingerprint + edited %}
        {% endif %}
    {% else %}
        {% set row = run_query(
            "select "
            ~ batch_audit.fingerprint_sql("t", plan["compared_after"])
            ~ " from "
            ~ plan["whole"]
            ~ " as t"
        ).rows[0] %}
        {% set rows_after, fingerprint = row["rows_counted"] | int, row["fingerprint"] | int %}
    {% endif %}
    {% do found.update(
        {
            "rows_before": rows_after - grown,
            "rows_after": rows_after,
            "fingerprint_before": (fingerprint - touched) | string,
            "fingerprint": fingerprint | string,
        }
    ) %}
{% endmacro %}
