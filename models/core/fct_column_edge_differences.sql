{{ config(**batch_audit.view_config()) }}

{% set edge = [
    "owner",
    "source",
    "source_column",
    "target",
    "target_column",
    "kind",
    "subtype",
    "masking",
] %}

{# Not a CTE: Postgres would compute one that is read twice for all batches before it takes the two that are asked for. #}
{% set batches %} (select distinct batch_id from {{ ref("stg_audit_segments") }}) {% endset %}

{% for change, with_it, without_it in [
    ("added", "later", "earlier"),
    ("removed", "earlier", "later"),
] %}
    -- An edge may stand in several places of a node's code.
    select distinct
        earlier.batch_id as from_batch_id,
        later.batch_id as to_batch_id,
        '{{ change }}' as change,
        {% for column in edge %} edges.{{ column }}{{ "," if not loop.last }} {% endfor %}
    from {{ batches }} as earlier
    join {{ batches }} as later on earlier.batch_id <> later.batch_id
    join {{ ref("fct_column_edges_as_of") }} as edges on {{ with_it }}.batch_id = edges.batch_id
    where
        not exists (
            select 1
            from {{ ref("fct_column_edges_as_of") }} as other
            where
                other.batch_id = {{ without_it }}.batch_id
                and other.owner = edges.owner
                and other.source = edges.source
                and other.source_column = edges.source_column
                and other.target = edges.target
                and coalesce(other.target_column, '') = coalesce(edges.target_column, '')
                and other.subtype = edges.subtype
                and other.masking = edges.masking
        )
        {{ "union all" if not loop.last }}
{% endfor %}
