{{ config(**batch_audit.view_config()) }}

with recursive
    edges as (
        select *, case label when 'exact' then 0 when 'superset' then 1 else 2 end as doubt
        from {{ ref("fct_record_edges") }}
    ),

    versions as (
        select node_id, record_id, written_at, replaced_at, is_current, max(record_hash) as record_hash
        from edges
        group by node_id, record_id, written_at, replaced_at, is_current
    ),

    -- The records that a record was made of, as they were when it was made. Rows that only decided are not
    -- followed.
    reached as (
        select
            node_id as root_id,
            record_id as root_record_id,
            node_id,
            record_id,
            written_at,
            0 as depth,
            0 as doubt
        from versions
        where is_current
        union
        select
            reached.root_id,
            reached.root_record_id,
            versions.node_id,
            versions.record_id,
            versions.written_at,
            reached.depth + 1,
            greatest(reached.doubt, edges.doubt)
        from reached
        join
            edges
            on edges.node_id = reached.node_id
            and edges.record_id = reached.record_id
            and edges.written_at = reached.written_at
        join versions on versions.node_id = edges.source_id and versions.record_id = edges.source_record_id
        where
            edges.role = 'value'
            and reached.depth < 100
            and case
                -- A model that reads itself read the version before.
                when versions.node_id = reached.node_id
                then versions.replaced_at = reached.written_at
                else
                    versions.written_at <= reached.written_at
                    and (versions.replaced_at is null or versions.replaced_at > reached.written_at)
            end
    )

select
    reached.root_id as node_id,
    {{ batch_audit.node_name("reached.root_id") }} as node_name,
    reached.root_record_id as record_id,
    cast(reached.depth + 1 as bigint) as depth,
    edges.node_id as made_node_id,
    edges.node_name as made_node_name,
    edges.record_id as made_record_id,
    edges.source_id,
    edges.source_name,
    edges.source_record_id,
    edges.source_hash,
    edges.step,
    edges.role,
    case
        greatest(reached.doubt, edges.doubt) when 0 then 'exact' when 1 then 'superset' else 'unknown'
    end as label,
    edges.reason,
    versions.record_id is null as is_ultimate,
    edges.source_hash = versions.record_hash as is_same_version,
    edges.batch_id,
    edges.written_at
from reached
join
    edges
    on edges.node_id = reached.node_id
    and edges.record_id = reached.record_id
    and edges.written_at = reached.written_at
left join
    versions
    on versions.node_id = edges.source_id
    and versions.record_id = edges.source_record_id
    and case
        when versions.node_id = edges.node_id
        then versions.replaced_at = edges.written_at
        else
            versions.written_at <= edges.written_at
            and (versions.replaced_at is null or versions.replaced_at > edges.written_at)
    end
