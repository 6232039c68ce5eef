"""An impact for machines: JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batch_audit.lineage.explore.changes import ColumnChange, NodeChange
from batch_audit.lineage.explore.machine import edge_fields, table
from batch_audit.lineage.explore.touched import Impact, Touched

HEADINGS = (
    "part", "node", "column", "change", "what", "before", "after", "reached", "distance", "because_of", "first_step",
    "owner",
)  # fmt: skip


def as_json(impact: Impact) -> dict[str, Any]:
    """The impact as docs/reference/lineage.md describes it."""
    return {
        "from": impact.after.known.origin.as_json(),
        "state": impact.before.known.origin.as_json(),
        "changes": [_change(impact, change) for change in impact.changes],
        "touched": [_touched(impact, one) for one in impact.touched],
    }


def _change(impact: Impact, change: NodeChange) -> dict[str, Any]:
    return {
        "node": change.unique_id, "name": impact.label(change.unique_id), "change": change.change,
        "columns": [_column(column) for column in change.columns],
        "rows": {"before": list(change.rows_before), "after": list(change.rows_after)} if change.rows else None,
        "elsewhere": change.elsewhere or None, "unknown": list(change.unknown),
    }  # fmt: skip


def _column(column: ColumnChange) -> dict[str, Any]:
    return {
        "column": column.column, "change": column.change, "what": list(column.what),
        "before": list(column.before), "after": list(column.after),
    }  # fmt: skip


def _touched(impact: Impact, one: Touched) -> dict[str, Any]:
    return {
        "node": one.unique_id, "name": impact.label(one.unique_id),
        "columns": [
            {"column": column, "reached": reached(values)} for column, values in one.columns.items()
        ],
        "distance": one.distance, "because_of": list(one.origins),
        "first_step": None if one.first is None else edge_fields(one.first),
        "still_reads": list(one.broken), "owner": impact.after.owners.get(one.unique_id),
        "unknown": one.unknown or None,
    }  # fmt: skip


def reached(values: bool) -> str:
    """How a change gets into a column: by its values, or as an influence on them."""
    return "value" if values else "influence"


def first_step(impact: Impact, one: Touched) -> str:
    """The first step of a shortest way from a change: `stg.mail → mart.mail`."""
    if one.first is None:
        return ""
    edge = one.first
    target = impact.label(edge.target) + ("" if edge.target_column is None else f".{edge.target_column}")
    return f"{impact.label(edge.source)}.{edge.source_column} → {target}"


def as_csv(impact: Impact) -> str:
    """A line for each change and for each touched column."""
    return table(HEADINGS, [*_change_rows(impact), *_touched_rows(impact)])


def _change_rows(impact: Impact) -> Iterator[list[Any]]:
    for change in impact.changes:
        name, blank = change.unique_id, [""] * 5
        if change.change != "changed" or change.elsewhere:
            yield ["change", name, "", change.change, change.elsewhere, "", "", *blank]
        if change.rows:
            rows = "; ".join(change.rows_before), "; ".join(change.rows_after)
            yield ["change", name, "", "changed", "rows", *rows, *blank]
        for column in change.columns:
            lines = "; ".join(column.before), "; ".join(column.after)
            yield ["change", name, column.column, column.change, ", ".join(column.what), *lines, *blank]


def _touched_rows(impact: Impact) -> Iterator[list[Any]]:
    for one in impact.touched:
        origins = ", ".join(one.origins)
        rest = [one.distance, origins, first_step(impact, one), impact.after.owners.get(one.unique_id)]
        for column, values in one.columns.items():
            yield ["touched", one.unique_id, column, "", "", "", "", reached(values), *rest]
        for column in one.broken:
            yield ["touched", one.unique_id, column, "", "still read, and gone", "", "", "", *rest]
        if one.unknown:
            yield ["touched", one.unique_id, "", "", one.unknown, "", "", "unknown", *rest]
