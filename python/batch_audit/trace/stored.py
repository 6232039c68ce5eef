"""Edges that a run stored when it wrote a record: what it came from then, with the hashes of that time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from batch_audit.trace.reader import Reader
from batch_audit.trace.result import Edge, Hop, Label, Record, Role, weakest

_COLUMNS = (
    "batch_id", "target_record_id", "source", "source_record_id", "source_hash", "step", "role", "label", "reason",
)  # fmt: skip
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def stored_edges(reader: Reader, node: str, records: Sequence[Record]) -> Rows:
    """The stored edges of some records of a node by record id: those of the batch that wrote the record last."""
    if not records or not reader.has_stored_edges(node):
        return {}
    literal = reader.warehouse.literal
    batches = {one.record_id: one.written.batch_id for one in records if one.written.batch_id is not None}
    found: dict[str, list[Mapping[str, Any]]] = {}
    if not batches:
        return found
    listed = ", ".join(literal(one) for one in sorted(batches))
    of_batch = ", ".join(sorted({literal(str(one)) for one in batches.values()}))
    where = f"target = {literal(node)} and target_record_id in ({listed}) and batch_id in ({of_batch})"
    for row in reader.warehouse.find("audit_record_edge", _COLUMNS, where):
        record = row["target_record_id"]
        if row["source_record_id"] is not None and row["batch_id"] == batches[record]:
            found.setdefault(record, []).append(row)
    return found


def with_stored(hop: Hop, rows: Rows, limit: int, only: Collection[str] | None) -> list[Hop]:
    """The hop, each of its edges with the hash that the source had when it was used.

    Where a record is unknown today and its edges were stored, these take the place of those of today.
    """
    unknown = [one for one in hop.records if hop.label_of(one) == "unknown" and one in rows]
    used = {
        (record, row["source"], row["source_record_id"]): row["source_hash"]
        for record, own in rows.items()
        for row in own
    }
    kept = replace(
        hop,
        records=tuple(one for one in hop.records if one not in unknown),
        doubts={one: reason for one, reason in hop.doubts.items() if one not in unknown},
        edges=tuple(
            replace(edge, used=used.get((edge.target or "", edge.source_node, edge.source)))
            for edge in hop.edges
            if edge.target not in unknown
        ),
        left_out={key: count for key, count in hop.left_out.items() if key[0] not in unknown},
    )
    stored = [_hop(hop, one, rows[one], limit, only) for one in unknown]
    return [*([kept] if kept.records or not stored else []), *stored]


def _hop(
    hop: Hop, record: str, rows: Sequence[Mapping[str, Any]], limit: int, only: Collection[str] | None
) -> Hop:
    """The stored hop of one record."""
    edges: list[Edge] = []
    read: dict[tuple[str | None, str, Role], int] = {}
    left_out: dict[tuple[str | None, str, Role], int] = {}
    ordered = sorted(rows, key=lambda row: (row["source"], row["source_record_id"], row["role"]))
    wanted = [row for row in ordered if only is None or row["source"] in only]
    for row in wanted:
        role: Role = "value" if row["role"] == "value" else "filter"
        key = record, row["source"], role
        read[key] = read.get(key, 0) + 1
        if read[key] > limit:
            left_out[key] = left_out.get(key, 0) + 1
            continue
        edges.append(
            Edge(record, row["source"], row["source_record_id"], role, row["source"], row["source_hash"])
        )
    values = [row for row in wanted if row["role"] == "value"]
    filters = [row for row in wanted if row["role"] != "value"]
    return Hop(
        hop.node, values[0]["step"] if values else hop.step, hop.via, rows[0]["batch_id"], _label(values),
        _reasons(values), _label(filters), _reasons(filters), tuple(edges), left_out, (record,), stored=True,
    )  # fmt: skip


def _label(rows: Sequence[Mapping[str, Any]]) -> Label:
    known: dict[str, Label] = {"exact": "exact", "superset": "superset"}
    return weakest(known.get(row["label"], "unknown") for row in rows)


def _reasons(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row["reason"] for row in rows if row["reason"]))
