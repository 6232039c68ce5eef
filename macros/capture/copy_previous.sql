{#
  The pre-hook that `batch-audit init` writes where it is needed: copies the table that this build is going to replace
  into batch_audit_before, for a model that asks for capture and whose previous table dbt does not keep until the end of
  the transaction, or whose meta says `audit_previous: copy`. The copy is SQL to return and not to run here: a hook's first
  statement is what begins the model's transaction. An engine without transactions or temporary tables needs a table in
  the store's schema instead, dropped by the capture and by the next build, and cannot promise that the model and its
  events are both there or both absent.
#}
{% macro copy_previous() %}
    {# First and without calling a macro, as in capture(). #}
    {% set by_line = "capture_changes" in model.config.get("post-hook") | string %}
    {% if not execute or not (by_line or (model.config.get("meta") or {}).get("audit_capture")) %}
        {{ return("") }}
    {% endif %}
    {% if not batch_audit.is_audited() or not (by_line or batch_audit.asks_for_capture(model)) %}
        {{ return("") }}
    {% endif %}
    {% set previous = load_cached_relation(this) %}
    {% set is_table = previous is not none and previous.is_table %}
    {% set replaced = model.config.materialized == "table" or (
        model.config.materialized == "incremental" and (should_full_refresh() or not is_table)
    ) %}
    {% if not replaced or not (batch_audit._asks_for_copy() or batch_audit.replaces_in_place(previous)) %}
        {{ return("") }}
    {% endif %}
    {% do store_result(
        batch_audit.capture_part(),
        response={"what": "rows" if is_table else "nothing", "replaced": true},
    ) %}
    {% if not is_table %} {{ return("") }}{% endif %}
    {{
        return(
            batch_audit.lock_sql(none, relation=previous)
            ~ "drop table if exists batch_audit_before;\n"
            ~ batch_audit.temp_table_sql("batch_audit_before", "select t.* from " ~ previous ~ " as t")
        )
    }}
{% endmacro %}

{# Whether the model's meta asks for a copy of the table that a build replaces. #}
{% macro _asks_for_copy() %}
    {% set asked = (model.config.get("meta") or {}).get("audit_previous") %}
    {% if asked is not none and asked != "copy" %}
        {{
            exceptions.raise_compiler_error(
                model.name
                ~ ": audit_previous is '"
                ~ asked
                ~ "', which batch_audit does not know.\n  Write `audit_previous: copy`, or leave it out."
            )
        }}
    {% endif %}
    {{ return(asked == "copy") }}
{% endmacro %}
