"""A slice for machines: JSON and CSV, in a stable order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from batch_audit.lineage.explore.slices import Direction, Gap, Slice
from batch_audit.lineage.project import ProjectEdge, Step

HEADINGS = (
    "direction", "depth", "source", "source_column", "target", "target_column", "kind", "subtype", "masking",
    "expression", "note", "owner",
)  # fmt: skip
UNKNOWN = "UNKNOWN"
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_json(found: Slice) -> dict[str, Any]:
    """The slice as docs/reference/lineage.md describes it."""
    return {
        "asked": {
            "node": found.node, "column": found.column, "directions": list(found.steps), "depth": found.depth,
            "direct_only": found.direct,
        },
        "from": found.known.origin.as_json(),
        "nodes": [_node(found, name) for name in found.nodes()],
        "edges": [_edge(direction, step) for direction, step in ordered(found)],
        "unknown": [_gap(gap) for gap in found.gaps],
        "cut": {direction: found.cut(direction) for direction in found.steps},
    }  # fmt: skip


def ordered(found: Slice) -> Iterator[tuple[Direction, Step]]:
    """The steps by direction and distance, then by their names: the same slice gives the same order."""
    for direction, steps in found.steps.items():
        for step in sorted(steps, key=lambda step: (step.depth, edge_order(step.edge))):
            yield direction, step


def edge_order(edge: ProjectEdge) -> tuple[str, ...]:
    """What edges are sorted by: the target first."""
    return (
        edge.target, edge.target_column or "", edge.source, edge.source_column, edge.kind, edge.subtype,
        str(edge.masking), edge.expression, edge.note or "",
    )  # fmt: skip


def _node(found: Slice, name: str) -> dict[str, Any]:
    dataset = found.known.datasets[name]
    columns, whence = found.known.columns(name)
    return {
        "id": name, "name": found.known.label(name), "kind": dataset.kind, "relation": dataset.relation or None,
        "columns": list(columns), "columns_from": whence,
    }  # fmt: skip


def _edge(direction: Direction, step: Step) -> dict[str, Any]:
    return {"direction": direction, "depth": step.depth, **edge_fields(step.edge)}


def edge_fields(edge: ProjectEdge) -> dict[str, Any]:
    """An edge by the names of its fields."""
    return {
        "source": edge.source, "source_column": edge.source_column, "target": edge.target,
        "target_column": edge.target_column, "kind": edge.kind, "subtype": edge.subtype, "masking": edge.masking,
        "expression": edge.expression, "note": edge.note, "owner": edge.owner,
    }  # fmt: skip


def _gap(gap: Gap) -> dict[str, Any]:
    return {"node": gap.unique_id, "column": gap.column, "reason": gap.reason, "sql": gap.sql}


def as_csv(found: Slice) -> str:
    """A line for each edge; then one for each gap, of kind UNKNOWN, with the reason as its note."""
    edges = ([item[heading] for heading in HEADINGS] for item in as_json(found)["edges"])
    gaps = (
        ["", "", "", "", gap.unique_id, gap.column, UNKNOWN, "", "", gap.sql, gap.reason, gap.unique_id]
        for gap in found.gaps
    )
    return table(HEADINGS, [*edges, *gaps])


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV (RFC 4180) that no spreadsheet runs: a text that it would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    written = "" if value is None else str(value).replace("\0", "\ufffd")
    return "'" + written if written.startswith(_FORMULA) else written
