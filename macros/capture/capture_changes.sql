{#
  A post-hook: records which records of its model this build inserted, updated and deleted, with the values and hashes
  before and after, in the model's own transaction.

  key: the column or list of columns that identify a record; default: meta audit_key, else inferred (see record_key).
  ignore: columns whose changes do not count; default: meta audit_ignore.
  hooked: false where dbt came here by dispatch and not by the model's hook.
#}
{% macro capture_changes(key=none, ignore=none, hooked=true) %}
    {% if not execute or not batch_audit.is_audited() %} {{ return("") }}{% endif %}
    {% if hooked and batch_audit._is_recorded() %} {{ return("") }}{% endif %}
    {% set by_dispatch = batch_audit.captured_without_hook(model) %}
    {% if hooked and by_dispatch and batch_audit.asks_for_capture(model) %} {{ return("") }}{% endif %}
    {# keep_touched_rows or copy_previous left it; dbt gives a result once. #}
    {% set kept = (load_result(batch_audit.capture_part()) or {}).get("response") or {} %}
    {% set drops = [] %}
    {% for table in ["before", "keys", "after"] if kept %}
        {% do drops.append("drop table if exists batch_audit_" ~ table ~ ";\n") %}
    {% endfor %}
    {% set drops = drops | join %}
    {% set problem = batch_audit._capture_problem(hooked, kept) %}
    {% if problem %} {{ return(batch_audit.not_captured_sql(problem) ~ drops) }}{% endif %}

    {% set plan = batch_audit.capture_plan(kept, key, ignore) %}
    {% if plan["problem"] %}
        {{ return(batch_audit.refuse_capture(plan["problem"], plan["remedy"]) ~ drops) }}
    {% endif %}
    {% do plan.update({"inputs": batch_audit.input_plan(plan)}) %}
    {% if plan["inputs"]["problem"] %}
        {{ return(batch_audit.refuse_capture(plan["inputs"]["problem"], plan["inputs"]["remedy"]) ~ drops) }}
    {% endif %}

    {% if plan["touched"] %} {% do batch_audit.keep_result_rows(plan) %} {% endif %}
    {% if plan["before"] is none %} {% set found = batch_audit.measure_first_build(plan) %}
    {% else %}
        {% set changes = batch_audit.record_rows_sql(plan, batch_audit.changed_rows_sql(plan)) %}
        {% do run_query(
            batch_audit.temp_table_sql(
                "batch_audit_recorded", batch_audit.recorded_rows_sql(changes)
            )
        ) %}
        {% set found = batch_audit.measure_changes(plan) %}
    {% endif %}
    {% if found["problem"] %}
        {% if plan["before"] is not none %} {% do run_query("drop table batch_audit_recorded") %} {% endif %}
        {{ return(batch_audit.refuse_capture(found["problem"], found["remedy"]) ~ drops) }}
    {% endif %}
    {% set sql = batch_audit.record_capture_sql(plan, found) %}
    {% if plan["inputs"]["inputs"] %}
        {% set sql = sql ~ batch_audit.record_inputs_sql(plan, found) %}
        {% if model.config.get("meta", {}).get("audit_lineage") == "declared" %}
            {% set sql = sql ~ batch_audit.declared_edges_sql(plan) %}
        {% endif %}
    {% endif %}
    {{ return(sql ~ drops) }}
{% endmacro %}

{# What makes a capture of this model impossible whatever its rows are; none when nothing does. #}
{% macro _capture_problem(hooked, kept) %}
    {% set problem = batch_audit.no_capture_reason(model) %}
    {% if problem %} {{ return(problem) }} {% endif %}
    {% if hooked and batch_audit.captured_without_hook(model) %}
        {{
            return(
                "seeds, snapshots and microbatch models are captured when their meta asks for it (audit_capture: changes)"
                ~ " and not by a hook"
            )
        }}
    {% endif %}
    {% if model.config.materialized != "table" and not kept and load_cached_relation(this) is not none %}
        {# It changed in place, unless dbt has put the former table, or view, aside. #}
        {% set aside = make_backup_relation(this.incorporate(type="table"), "table") %}
        {% if load_cached_relation(aside) is none %}
            {{ return(batch_audit.no_capture_reason(model, true)) }}
        {% endif %}
    {% endif %}
    {% if batch_audit._capture_hooks("pre-hook") %}
        {{
            return(
                "its capture stands in a pre-hook, before there is anything to compare; make it a post-hook"
            )
        }}
    {% endif %}
    {% if batch_audit._capture_hooks("post-hook") | rejectattr("transaction") | list %}
        {{
            return(
                "its capture hook runs after the model's transaction (transaction: false), when the previous table is gone"
            )
        }}
    {% endif %}
    {% if not kept and model.resource_type | string == "model" and batch_audit._asks_for_copy() %}
        {{
            return(
                "it asks for a copy of its previous table (audit_previous), and no pre-hook of it calls"
                ~ " batch_audit.copy_previous(): `batch-audit init` writes it"
            )
        }}
    {% endif %}
    {{ return(batch_audit.capture_obstacle(this, kept)) }}
{% endmacro %}

{# Hooks add up over folders and the model itself, so one model may have several that capture: the first one does. #}
{% macro _is_recorded() %}
    {% set hooks = batch_audit._capture_hooks("pre-hook") + batch_audit._capture_hooks("post-hook") %}
    {% if hooks | length < 2 %} {{ return(false) }}{% endif %}
    {% set found = run_query(
        "select count(*) from "
        ~ batch_audit.store_relation("audit_event")
        ~ " where segment = "
        ~ batch_audit.text_literal(batch_audit.run_context()["segment"])
        ~ " and part = "
        ~ batch_audit.text_literal(batch_audit.capture_part())
    ).rows[0][0] %}
    {{ return(found > 0) }}
{% endmacro %}

{% macro _capture_hooks(kind) %}
    {% set hooks = [] %}
    {% for hook in model.config.get(kind) or [] if "batch_audit.capture" in hook["sql"] %}
        {% do hooks.append({"transaction": hook["transaction"]}) %}
    {% endfor %}
    {{ return(hooks) }}
{% endmacro %}
