{#
  A post-hook for a table model: records which of its records this build inserted, updated and deleted, with the values
  and hashes before and after, in the model's own transaction.

  key: the column or list of columns that identify a record; default: meta audit_key, else inferred (see record_key).
  ignore: columns whose changes do not count; default: meta audit_ignore.
#}
{% macro capture_changes(key=none, ignore=none) %}
    {% if not execute or not batch_audit.is_audited() %} {{ return("") }}{% endif %}
    {% set problem = batch_audit._capture_problem() %}
    {% if problem %} {{ return(batch_audit.not_captured_sql(problem)) }}{% endif %}

    {% set plan = batch_audit.capture_plan(key, ignore) %}
    {% if plan["problem"] %}
        {{ return(batch_audit.refuse_capture(plan["problem"], plan["remedy"])) }}
    {% endif %}

    {% if plan["before"] is none %} {% set found = batch_audit.measure_first_build(plan) %}
    {% else %}
        {% do run_query(batch_audit.temp_table_sql("batch_audit_diff", batch_audit.changed_rows_sql(plan))) %}
        {% set found = batch_audit.measure_changes(plan) %}
    {% endif %}
    {% if found["problem"] %}
        {% if plan["before"] is not none %} {% do run_query("drop table batch_audit_diff") %} {% endif %}
        {{ return(batch_audit.refuse_capture(found["problem"], found["remedy"])) }}
    {% endif %}
    {{ return(batch_audit.record_capture_sql(plan, found)) }}
{% endmacro %}

{# What makes a capture of this model impossible whatever its rows are; none when nothing does. #}
{% macro _capture_problem() %}
    {% if model.config.materialized != "table" %}
        {{
            return(
                "record changes are captured for table models only, and this one is materialized as "
                ~ model.config.materialized
            )
        }}
    {% endif %}
    {{ return(batch_audit.capture_obstacle(this)) }}
{% endmacro %}
