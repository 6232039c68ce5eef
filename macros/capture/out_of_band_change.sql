{#
  What says that somebody else changed the model's table since the last capture: a mapping of relation, expected, found,
  since and until, when the table that this build found is not the one that the last capture left, else none. Only asked
  where the whole previous table was read and its columns, engine and version are those of then.
#}
{% macro out_of_band_change(plan, found, until) %}
    {% set last = plan["last"] %}
    {% if plan["before"] is none or plan["touched"] or not plan["comparable"] %} {{ return(none) }}
    {% elif last.get("fingerprint_engine") != found["fingerprint_engine"] %} {{ return(none) }}
    {% elif last["fingerprint"] == found["fingerprint_before"] and last["rows_after"] == found[
        "rows_before"
    ] %}
        {{ return(none) }}
    {% endif %}
    {{
        return(
            {
                "relation": this | string,
                "expected": {"rows": last["rows_after"], "fingerprint": last["fingerprint"]},
                "found": {"rows": found["rows_before"], "fingerprint": found["fingerprint_before"]},
                "capture_no": last["capture_no"],
                "since": last["captured_at"],
                "until": until,
            }
        )
    }}
{% endmacro %}
