{#
  Makes batch_audit_after for a plan whose touched rows were kept: the model's rows with the keys of those, and of the
  records that came in, as they are now. From here on both sides are compared like two whole tables.
#}
{% macro keep_result_rows(plan) %}
    {% set now, before, came, is_null, came_null, same = [], [], [], [], [], [] %}
    {% for name in plan["key"] %}
        {% set quoted = batch_audit.quoted_name(name) %}
        {% do now.append("t." ~ quoted) %}
        {% do before.append("b." ~ batch_audit.quoted_name(plan["key_before"][loop.index0])) %}
        {% do came.append("k_" ~ loop.index0) %}
        {% do same.append("k.k_" ~ loop.index0 ~ " = " ~ before[-1]) %}
        {% do is_null.append("t." ~ quoted ~ " is null") %}
        {% do came_null.append("k_" ~ loop.index0 ~ " is null") %}
    {% endfor %}
    {% set sql %}
        select t.*
        from {{ plan["whole"] }} as t
        where
            ({{ now | join(", ") }}) in (select {{ came | join(", ") }} from batch_audit_keys)
    {% endset %}
    {# One table of all keys: asked for a union of two, Postgres reads the whole model although its key has an index. #}
    {% do run_query(
        "insert into batch_audit_keys select distinct " ~ before
        | join(", ")
        ~ " from batch_audit_before as b where not exists (select 1 from batch_audit_keys as k where "
        ~ same
        | join(" and ") ~ ")"
    ) %}
    {# A key with a NULL equals none; the capture must see such a row to refuse it. #}
    {% set nulls = run_query(
        "select count(*) from batch_audit_keys where " ~ came_null | join(" or ")
    ).rows[0][0] %}
    {% if nulls %} {% set sql = sql ~ " or " ~ is_null | join(" or ") %} {% endif %}
    {% do run_query(
        "drop table if exists batch_audit_after;\n"
        ~ batch_audit.temp_table_sql("batch_audit_after", sql)
    ) %}
    {% do plan.update({"after": batch_audit.temp_relation("batch_audit_after")}) %}
{% endmacro %}
