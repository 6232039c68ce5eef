{#
  A select of table_name, ordinal, leaf_count, merkle_root for one segment: the roots that its blocks will carry.
  A leaf's place comes from its part and its dense seq, so that nothing has to be sorted but each node's 256 children.
#}
{% macro merkle_roots_sql(segment) %}
    {% for table in batch_audit.sealed_tables() %}
        select '{{ table }}' as table_name, {{ loop.index }} as ordinal, root.*
        from ({{ batch_audit._merkle_root_sql(table, segment) }}) as root
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}
{% endmacro %}

{% macro _merkle_root_sql(table, segment) %}
    {# An event's id is the hash of its text, computed when it was written; the verifier computes it again. #}
    {% set leaf = (
        "event_id"
        if table == "audit_event"
        else batch_audit.sha256_hex(batch_audit.row_text(table))
    ) %}
    {% set sealed_rows = (
        batch_audit.store_relation(table) ~ " where segment = " ~ batch_audit.text_literal(segment)
    ) %}
    with
        parts as (select part, count(*) as rows_in_part from {{ sealed_rows }} group by part),
        offsets as (
            select
                part,
                coalesce(
                    sum(rows_in_part) over (
                        order by {{ batch_audit.code_point_order("part") }}
                        rows between unbounded preceding and 1 preceding
                    ),
                    0
                ) as rows_before
            from parts
        ),
        level0 as (
            select cast(offsets.rows_before + seq - 1 as bigint) as place, leaf
            from (select part, seq, {{ leaf }} as leaf from {{ sealed_rows }}) as leaves
            join offsets using (part)
        )
        {% for level in range(1, 5) %}
            ,
            level{{ level }} as (
                select
                    place >> 8 as place,
                    {{
                        batch_audit.sha256_hex(
                            "'v1|node|"
                            ~ level
                            ~ "|' || cast(count(*) as text) || '|' || "
                            ~ batch_audit.ordered_concat("leaf", "place")
                        )
                    }} as leaf
                from level{{ level - 1 }}
                {% if level > 1 %} where (select count(*) from level{{ level - 1 }}) > 1 {% endif %}
                group by place >> 8
            )
        {% endfor %}
    select
        (select count(*) from level0) as leaf_count,
        coalesce(
            (select max(leaf) from level4),
            (select max(leaf) from level3),
            (select max(leaf) from level2),
            (select max(leaf) from level1)
        ) as merkle_root
{% endmacro %}
