{#
  What says that somebody else changed the model's table since the last capture: a mapping of relation, expected, found,
  since and until, when the table that this build found is not the one that the last capture left, else none. Only asked
  where the whole previous table was read and its columns, engine and version are those of then.
#}
{% macro out_of_band_change(plan, found, until) %}
    {% set reconciled = plan["reconciled"] or {} %}
    {% set last = reconciled.get("last", plan["last"]) %}
    {% if reconciled.get("last") %} {% set read = reconciled %}
    {% elif plan["before"] is none or plan["touched"] or not plan["comparable"] %} {{ return(none) }}
    {% else %}
        {% set read = {
            "rows": found["rows_before"],
            "fingerprint": found["fingerprint_before"],
            "fingerprint_engine": found["fingerprint_engine"],
        } %}
    {% endif %}
    {% if last.get("fingerprint_engine") != read["fingerprint_engine"] %} {{ return(none) }}
    {% elif last["fingerprint"] == read["fingerprint"] and last["rows_after"] == read["rows"] %}
        {{ return(none) }}
    {% endif %}
    {{
        return(
            {
                "relation": this | string,
                "expected": {"rows": last["rows_after"], "fingerprint": last["fingerprint"]},
                "found": {"rows": read["rows"], "fingerprint": read["fingerprint"]},
                "capture_no": last["capture_no"],
                "since": last["captured_at"],
                "until": until,
            }
        )
    }}
{% endmacro %}
