{# The statements that create one table of the store; on Postgres also of one month's partition (`audit_event_2026_11`). #}
{% macro store_table_ddl(table) %}
    {{ return(adapter.dispatch("store_table_ddl", "batch_audit")(table)) }}
{% endmacro %}

{% macro duckdb__store_table_ddl(table) %}
    {{
        return(
            "create table " ~ batch_audit.store_relation(table) ~ " (" ~ batch_audit.table_ddl(table) ~ ");"
        )
    }}
{% endmacro %}

{#
  Partitions come by LIKE and ATTACH: `create table … partition of` would wait for every writer of the parent and make
  the next ones wait behind it.
#}
{% macro postgres__store_table_ddl(table) %}
    {% set relation = batch_audit.store_relation(table) %}
    {% if table in batch_audit.store_tables() %}
        {% set partitioned = table in batch_audit.monthly_tables() %}
        {% set ddl = [
            "create table "
            ~ relation
            ~ " ("
            ~ batch_audit.table_ddl(table)
            ~ ")"
            ~ (" partition by list (batch_month)" if partitioned else "")
            ~ ";"
        ] %}
        {# A btree leaves changed records out: over them it costs more than it saves (docs/decisions/0007). #}
        {% for column in ["batch_id", "target"] if table == "audit_event" %}
            {% do ddl.append(
                "create index audit_event_by_"
                ~ column
                ~ " on "
                ~ relation
                ~ " ("
                ~ column
                ~ ") where event_type <> 'record_write';"
            ) %}
        {% endfor %}
        {# They are found by place, in which they are laid out, and by record through a filter (docs/decisions/0009). #}
        {% set record = ", (target || '|' || record_id) text_bloom_ops(n_distinct_per_range = 2000, false_positive_rate = 0.001)" %}
        {# Ids of segments have no order: the two of a range where they meet would span a good part of all others. #}
        {% set few = "(n_distinct_per_range = 128, false_positive_rate = 0.001)" %}
        {% if table in ["audit_event", "audit_payload"] %}
            {% do ddl.append(
                "create index "
                ~ table
                ~ "_by_place on "
                ~ relation
                ~ " using brin (seq, segment text_bloom_ops"
                ~ few
                ~ ", part text_bloom_ops"
                ~ few
                ~ (record if table == "audit_event" else "")
                ~ ") with (pages_per_range = "
                ~ (64 if table == "audit_event" else 128)
                ~ ", autosummarize = on);"
            ) %}
        {% endif %}
        {{ return(ddl | join("\n")) }}
    {% endif %}
    {% set parent = batch_audit.store_relation(table[:-8]) %}
    {% set month = table[-7:].replace("_", "-") %}
    {# A store that `batch-audit harden` has taken over belongs to a role of its own, and has a function for this. #}
    {% set function = parent.include(identifier=false) ~ ".audit_add_month" %}
    {{
        return(
            "do $batch_audit$ begin if to_regprocedure("
            ~ batch_audit.text_literal(function ~ "(text)")
            ~ ") is not null then perform "
            ~ function
            ~ "("
            ~ batch_audit.text_literal(month)
            ~ "); else create table "
            ~ relation
            ~ " (like "
            ~ parent
            ~ "); alter table "
            ~ parent
            ~ " attach partition "
            ~ relation
            ~ " for values in ("
            ~ batch_audit.text_literal(month)
            ~ "); end if; end $batch_audit$;"
        )
    }}
{% endmacro %}

{% macro _month_partitions(month) %}
    {% set tables = [] %}
    {% for table in batch_audit.monthly_tables() %}
        {% do tables.append(table ~ "_" ~ month.replace("-", "_")) %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}
