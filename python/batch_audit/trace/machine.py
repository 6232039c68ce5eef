"""A trace for machines: JSON and CSV, in a stable order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from batch_audit.history.moments import utc
from batch_audit.lineage.explore.machine import table
from batch_audit.reports.text import record_key
from batch_audit.trace.paths import edge_label, path_labels
from batch_audit.trace.result import Edge, Hop, Label, Name, Record, Trace

HEADINGS = (
    "direction", "target_node", "target", "target_hash", "source_node", "source", "source_hash", "role", "step",
    "via", "label", "path_label", "reason", "written_batch", "written_at", "written_basis", "state", "note",
    "source_hash_then",
)  # fmt: skip
UNKNOWN = "UNKNOWN"
LEFT_OUT = "LEFT_OUT"


def as_json(found: Trace) -> dict[str, Any]:
    """One direction of a trace as docs/trace.md describes it."""
    labels = path_labels(found)
    return {
        "direction": found.direction,
        "records": [record_json(found.records[name], labels) for name in sorted(found.records)],
        "hops": [_hop(hop) for hop in found.hops],
        "not_followed": list(found.cut),
    }


def record_json(record: Record, labels: Mapping[Name, Label]) -> dict[str, Any]:
    """A record, with the label of its best path."""
    values = record_key(record.record_id)
    written = record.written
    return {
        "node": record.node, "record_id": record.record_id,
        "key": dict(zip(record.key, values, strict=True)) if len(record.key) == len(values) else None,
        "label": labels.get(record.name), "hash": record.hash, "logged_hash": record.logged, "state": record.state,
        "note": record.note,
        "written": {
            "basis": written.basis, "batch_id": written.batch_id,
            "at": None if written.at is None else utc(written.at),
        },
    }  # fmt: skip


def _hop(hop: Hop) -> dict[str, Any]:
    left_out = sorted(hop.left_out.items(), key=lambda item: (item[0][0] or "", *item[0][1:]))
    return {
        "node": hop.node, "step": hop.step, "via": list(hop.via), "code_of_batch": hop.batch_id,
        "stored": hop.stored, "label": hop.label,
        "reasons": list(hop.reasons), "filter_label": hop.filter_label, "filter_reasons": list(hop.filter_reasons),
        "edges": [
            {
                "target": edge.target, "source_node": edge.source_node, "source": edge.source, "role": edge.role,
                "occurrence": edge.occurrence, "label": edge_label(hop, edge),
                "source_hash_then": edge.used,
            }
            for edge in _sorted(hop.edges)
        ],
        "doubts": [{"record_id": one, "reason": reason} for one, reason in sorted(hop.doubts.items())],
        "left_out": [
            {"record_id": record, "node": node, "role": role, "edges": count}
            for (record, node, role), count in left_out
        ],
    }  # fmt: skip


def _sorted(edges: Sequence[Edge]) -> list[Edge]:
    return sorted(
        edges, key=lambda one: (one.target or "", one.source_node, one.source, one.role, one.occurrence)
    )


def as_csv(found: Sequence[Trace]) -> str:
    """A line for each edge. A hop that is not known is a line of role UNKNOWN, and edges that were not read are one
    of role LEFT_OUT with their number as its reason.
    """
    return table(HEADINGS, [row for one in found for row in _rows(one)])


def _rows(found: Trace) -> Iterator[Sequence[Any]]:
    labels = path_labels(found)
    for hop in found.hops:
        for edge in _sorted(hop.edges):
            yield _edge_row(found, hop, edge, labels)
        step, via = hop.step, ", ".join(hop.via)
        if hop.label == "unknown":
            yield _row(found, hop.node, "", "", UNKNOWN, step, via, "unknown", "; ".join(hop.reasons))
        for record, reason in sorted(hop.doubts.items()):
            yield _row(found, hop.node, record, "", UNKNOWN, step, via, "unknown", reason)
        for (record_id, node, role), count in sorted(hop.left_out.items(), key=str):
            said = f"{count} edges of role {role} left out"
            up = found.direction == "upstream"
            target, source = (record_id, "") if up else ("", record_id)
            yield _row(found, hop.node, target or "", node, LEFT_OUT, step, via, "", said, source or "")


def _row(
    found: Trace, target_node: str, target: str, source_node: str, role: str, step: str, via: str, label: str,
    reason: str, source: str = "",
) -> list[Any]:  # fmt: skip
    return [
        found.direction, target_node, target, "", source_node, source, "", role, step, via, label, "", reason,
        *[""] * 6,
    ]  # fmt: skip


def _edge_row(found: Trace, hop: Hop, edge: Edge, labels: Mapping[Name, Label]) -> list[Any]:
    source = found.records.get((edge.source_node, edge.source))
    target = found.records.get((hop.node, edge.target or ""))
    far, name = (source, (edge.source_node, edge.source)) if found.direction == "upstream" else (
        target, (hop.node, edge.target or "")
    )  # fmt: skip
    reasons = hop.filter_reasons if edge.role == "filter" else hop.reasons
    doubt = hop.doubts.get(edge.target or "")
    written = far.written if far else None
    return [
        found.direction, hop.node, edge.target, target and target.hash, edge.source_node, edge.source,
        source and source.hash, edge.role, hop.step, ", ".join(hop.via), edge_label(hop, edge), labels.get(name),
        "; ".join((*reasons, *([doubt] if doubt else ()))), written and written.batch_id,
        utc(written.at) if written and written.at is not None else None, written and written.basis,
        far and far.state, far and far.note, edge.used,
    ]  # fmt: skip
