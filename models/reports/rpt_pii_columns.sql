{{ config(**batch_audit.view_config()) }}

with recursive
    tagged as (
        select node_id, {{ batch_audit.json_elements("coalesce(personal_columns, '[]')") }} as column_name
        from {{ ref("fct_lineage_records") }}
        where is_current and node_id is not null
    ),

    -- Values pass along direct edges that do not mask them. A column `*` stands for any of its relation.
    flows as (
        select distinct source, source_column, target, coalesce(target_column, '*') as target_column
        from {{ ref("fct_column_edges") }}
        where
            kind = 'DIRECT'
            and not masking
            -- An incremental model that reads itself is no way to anywhere.
            and not (source = target and source_column = coalesce(target_column, '*'))
    ),

    -- Distances, not paths: of those there are too many where ways part and meet again. A cycle ends at the
    -- limit.
    walked as (
        select
            cast(node_id as text) as origin,
            cast(column_name as text) as origin_column,
            cast(node_id as text) as node_id,
            cast(column_name as text) as column_name,
            0 as distance
        from tagged
        union
        select
            walked.origin,
            walked.origin_column,
            cast(flows.target as text),
            cast(flows.target_column as text),
            walked.distance + 1
        from walked
        join
            flows
            on flows.source = walked.node_id
            and (
                lower(flows.source_column) = lower(walked.column_name)
                or flows.source_column = '*'
                or walked.column_name = '*'
                or lower(left(flows.source_column, length(walked.column_name) + 1))
                = lower(walked.column_name || '.')
            )
        where walked.distance < 100
    ),

    reached as (
        select origin, origin_column, node_id, column_name, min(distance) as distance
        from walked
        group by origin, origin_column, node_id, column_name
    ),

    -- One column that is a step nearer to the origin, for each that was reached.
    preceded as (
        select
            reached.*,
            before.node_id as node_before,
            before.column_name as column_before,
            row_number() over (
                partition by reached.origin, reached.origin_column, reached.node_id, reached.column_name
                order by before.node_id, before.column_name
            ) as choice
        from reached
        join flows on reached.node_id = flows.target and reached.column_name = flows.target_column
        join
            reached as before
            on before.origin = reached.origin
            and before.origin_column = reached.origin_column
            and before.node_id = flows.source
            and before.distance = reached.distance - 1
            and (
                lower(flows.source_column) = lower(before.column_name)
                or flows.source_column = '*'
                or before.column_name = '*'
                or lower(left(flows.source_column, length(before.column_name) + 1))
                = lower(before.column_name || '.')
            )
    ),

    ways as (
        select
            origin,
            origin_column,
            node_id,
            column_name,
            distance,
            cast(node_id || '.' || column_name as text) as path,
            column_name <> '*' as is_certain
        from reached
        where distance = 0
        union all
        select
            preceded.origin,
            preceded.origin_column,
            preceded.node_id,
            preceded.column_name,
            preceded.distance,
            cast(ways.path || ' -> ' || preceded.node_id || '.' || preceded.column_name as text),
            ways.is_certain and preceded.column_name <> '*'
        from ways
        join
            preceded
            on preceded.origin = ways.origin
            and preceded.origin_column = ways.origin_column
            and preceded.node_before = ways.node_id
            and preceded.column_before = ways.column_name
            and preceded.choice = 1
    )

select
    ways.origin,
    ways.origin_column,
    ways.node_id,
    {{ batch_audit.node_name("ways.node_id") }} as node_name,
    ways.column_name,
    tagged.column_name is not null as is_tagged,
    ways.is_certain,
    ways.node_id like 'exposure.%' as is_exposure,
    cast(ways.distance as bigint) as distance,
    ways.path
from ways
left join tagged on ways.node_id = tagged.node_id and lower(ways.column_name) = lower(tagged.column_name)
