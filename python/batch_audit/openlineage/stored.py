"""Reads from the store what it holds of one batch, and the lineage as it was on record then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from batch_audit.openlineage.column_lineage import Edge
from batch_audit.reports.reader import Reader, Row, require_views
from batch_audit.warehouses.base import Warehouse

_OF_BATCH = "where batch_id = {batch} and batch_month = {month}"
_BATCH = f"select * from {{fct_audit_batches}} {_OF_BATCH}"
_INVOCATIONS = f"select * from {{fct_audit_invocations}} {_OF_BATCH}"
_NODES = f"select * from {{rpt_batch_nodes}} {_OF_BATCH}"
_TESTS = f"select * from {{rpt_validation_results}} {_OF_BATCH}"
_CAPTURES = f"select node_id, captured_columns from {{fct_audit_captures}} {_OF_BATCH} order by captured_at"
# A batch records its lineage after its last node has ended (fct_column_edges_as_of).
_MOMENT = f"""
    coalesce(
        (select max(recorded_at) from {{fct_lineage_records}} where batch_id = {{batch}}),
        (select coalesce(ended_at, started_at) from {{fct_audit_batches}} {_OF_BATCH})
    )
"""
_RECORDS = f"""
    select node_id, segment, column_names, columns_from from {{fct_lineage_records}}
    where recorded_at <= {_MOMENT} and (replaced_at is null or replaced_at > {_MOMENT})
"""
_EDGES = f"""
    select edges.owner, edges.source, edges.source_column, edges.target, edges.target_column, edges.kind,
        edges.subtype, edges.masking, edges.expression
    from ({_RECORDS}) as records
    join {{stg_audit_column_edges}} as edges on records.segment = edges.segment and records.node_id = edges.owner
"""
_RELATIONS = """
    select node_id, relation from (
        select node_id, relation, row_number() over (partition by node_id order by ended_at desc, event_id) as recency
        from {rpt_batch_nodes} where relation is not null
    ) as newest
"""


@dataclass(frozen=True)
class Stored:
    """Rows of the store's views about one batch. `edges` are by the node whose code has them, each with its target."""

    batch: Row
    invocations: Sequence[Row]
    nodes: Sequence[Row]
    tests: Sequence[Row]
    captures: Sequence[Row]
    records: Mapping[str, Row]
    edges: Mapping[str, Sequence[tuple[str, Edge]]]
    relations: Mapping[str, str]


def read_stored(warehouse: Warehouse, batch_id: str) -> Stored:
    """Everything about a batch, in one snapshot of the database.

    Raises StoreMissingError if the store or its views are missing.
    """
    require_views(warehouse)
    with warehouse.snapshot():
        month = Reader(warehouse, {"batch": batch_id}).rows(
            "month", "select min(batch_month) as month from {stg_audit_segments} where batch_id = {batch}"
        )[0]["month"]
        read = Reader(warehouse, {"batch": batch_id, "month": str(month)})
        nodes = read.rows("nodes", _NODES)
        relations = {str(row["node_id"]): str(row["relation"]) for row in nodes if row["relation"]}
        edges: dict[str, list[tuple[str, Edge]]] = {}
        _read_edges(read, {str(row["node_id"]) for row in nodes}, edges, relations)
        records = read.rows("lineage", _RECORDS)
        return Stored(
            read.rows("the batch", _BATCH)[0],
            read.rows("dbt invocations", _INVOCATIONS),
            nodes,
            read.rows("tests", _TESTS),
            read.rows("captures", _CAPTURES),
            {str(row["node_id"]): row for row in records},
            edges,
            relations,
        )


def _read_edges(
    read: Reader, wanted: Collection[str], edges: dict[str, list[tuple[str, Edge]]], relations: dict[str, str]
) -> None:
    """The edges into the wanted nodes, and into what they read that has no relation (ephemeral models), however deep.

    Adds to `relations` those of nodes that other batches built.
    """
    while wanted:
        for name in wanted:
            edges[name] = []
        for row in read.rows("column edges", f"{_EDGES} where edges.owner in {_listed(read, wanted)}"):
            edge = Edge(
                row["source"], row["source_column"], row["target_column"], row["kind"], row["subtype"],
                bool(row["masking"]), row["expression"] or "",
            )  # fmt: skip
            edges[str(row["owner"])].append((str(row["target"]), edge))
        sources = {name for into in edges.values() for target, edge in into for name in (target, edge.source)}
        unseen = sources - edges.keys() - relations.keys()
        if unseen:
            built = read.rows(
                "relations",
                f"{_RELATIONS} where recency = 1 and node_id in {_listed(read, unseen)}",
            )
            relations.update((str(row["node_id"]), str(row["relation"])) for row in built)
        wanted = unseen - relations.keys()


def _listed(read: Reader, names: Iterable[str]) -> str:
    """A list for IN; braces are doubled, because the query is a template."""
    literals = (read.warehouse.literal(name) for name in sorted(names))
    return "(" + ", ".join(literals).replace("{", "{{").replace("}", "}}") + ")"
