{#
  True for what is captured from dispatched/persist_docs.sql: seeds and snapshots, which the hook of `models:` does not
  reach, and microbatch models, whose post-hooks dbt runs for the last batch alone.
#}
{% macro captured_without_hook(node) %}
    {{
        return(
            node.resource_type | string in ["seed", "snapshot"]
            or node.config.get("incremental_strategy") == "microbatch"
        )
    }}
{% endmacro %}
