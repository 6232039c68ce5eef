{#
  Why a node's record changes cannot be captured, by its materialization; none when they can. `undispatched` tells that
  dbt did not come to the package's macros while it built the node.
#}
{% macro no_capture_reason(node, undispatched=false) %}
    {% if node.config.materialized not in ["table", "incremental", "seed", "snapshot"] %}
        {{
            return(
                "record changes are captured for tables, incremental models, seeds and snapshots, and this one is"
                ~ " materialized as "
                ~ node.config.materialized
            )
        }}
    {% elif undispatched %}
        {{
            return(
                "dbt changed it in place and its rows were not kept before: `dispatch` in dbt_project.yml must name"
                ~ " batch_audit before dbt (`batch-audit init` writes that)"
            )
        }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}
