{#
  Seals a segment inside the caller's transaction: its roots are computed first, then the lock of the chain is taken in
  a statement of its own (so that the next one sees the newest block), then its blocks are inserted.
#}
{% macro seal_sql(segment) %}
    {% set columns = batch_audit.store_columns("audit_block") %}
    {% set sealed = {
        "block_no": "c.block_no + 1",
        "segment": batch_audit.text_literal(segment),
        "table_name": "r.table_name",
        "format_version": "'v1'",
        "leaf_count": "r.leaf_count",
        "merkle_root": "r.merkle_root",
        "previous_hash": "c.block_hash",
        "sealed_at": batch_audit.now_microseconds() | string,
    } %}
    {% set hashed = [] %}
    {% for column in columns if column != "block_hash" %}
        {% do hashed.append({"sql": sealed[column], "counted": batch_audit.store_type(column) == "bigint"}) %}
    {% endfor %}
    {% do sealed.update(
        {"block_hash": batch_audit.sha256_hex(batch_audit.fields_text("audit_block", hashed))}
    ) %}
    {% set newest = {
        "block_no": "coalesce(max(block_no), 0)",
        "block_hash": "coalesce(max(block_hash), '" ~ "0" * 64 ~ "')",
    } %}

    {{ batch_audit.temp_table_sql("batch_audit_roots", batch_audit.merkle_roots_sql(segment)) }}
    {{ batch_audit.lock_sql(batch_audit.store_schema()) }}
    insert into {{ batch_audit.store_relation("audit_block") }} ({{ columns | join(", ") }})
    with recursive chain as (
        select
            0 as ordinal
    {% for column in columns %},
                cast({{ newest.get(column, "null") }} as {{ batch_audit.store_type(column) }}) as {{ column }}
    {% endfor %}
        from (
            select * from {{ batch_audit.store_relation("audit_block") }} order by block_no desc limit 1
        ) as newest
        union all
        select
            c.ordinal + 1
    {% for column in columns %}, cast({{ sealed[column] }} as {{ batch_audit.store_type(column) }}) {% endfor %}
        from chain as c
        join batch_audit_roots as r on r.ordinal = c.ordinal + 1
    )
    select {{ columns | join(", ") }} from chain where ordinal > 0;
    drop table batch_audit_roots;
{% endmacro %}
