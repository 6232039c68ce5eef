{#
  How the columns of a relation differ from those that its last capture saw (lists of mappings of name and type, in order):
  a mapping of added, removed, retyped, perhaps_renamed, reordered, before and after, or none when they are the same. No
  warehouse says that a column was renamed: one that stands in the place of another, of the same type, may have been.
#}
{% macro schema_change(before, after) %}
    {% set old, new = {}, {} %}
    {% for column in before %}
        {% do old.update({batch_audit.fold_name(column["name"]): column}) %}
    {% endfor %}
    {% for column in after %}
        {% do new.update({batch_audit.fold_name(column["name"]): column}) %}
    {% endfor %}
    {% set added, removed, retyped, renamed = [], [], [], [] %}
    {% for name, column in new.items() %}
        {% if name not in old %} {% do added.append(column["name"]) %}
        {% elif column["type"] != old[name]["type"] %}
            {% do retyped.append(
                {"name": column["name"], "before": old[name]["type"], "after": column["type"]}
            ) %}
        {% endif %}
    {% endfor %}
    {% for name, column in old.items() if name not in new %}
        {% do removed.append(column["name"]) %}
    {% endfor %}
    {% set kept_before, kept_after = (
        old.keys() | select("in", new) | list,
        new.keys() | select("in", old) | list,
    ) %}
    {% for column in before[: after | length] %}
        {% set there = after[loop.index0] %}
        {% if column["name"] in removed and there["name"] in added and column["type"] == there["type"] %}
            {% do renamed.append({"before": column["name"], "after": there["name"]}) %}
        {% endif %}
    {% endfor %}
    {% if not added and not removed and not retyped and kept_before == kept_after %}
        {{ return(none) }}
    {% endif %}
    {{
        return(
            {
                "added": added,
                "removed": removed,
                "retyped": retyped,
                "perhaps_renamed": renamed,
                "reordered": kept_before != kept_after,
                "before": before,
                "after": after,
            }
        )
    }}
{% endmacro %}
