"""Reads what the store holds of one batch, in a few queries over its own segments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from batch_audit.ledger.store_sql import in_segments
from batch_audit.runner.fill import Counts
from batch_audit.runner.plan import StoredSegment, StoreState
from batch_audit.statuses import BY_SEVERITY
from batch_audit.warehouses.base import Warehouse


def read_segments(warehouse: Warehouse, batch_id: str, seen: Sequence[str]) -> tuple[StoredSegment, ...]:
    """The segments of the batch, and those of the invocations that were seen, whoever's they are."""
    block, segment = warehouse.table("audit_block"), warehouse.table("audit_segment")
    rows = warehouse.query(
        "select s.segment, s.batch_id, s.batch_month, s.invocation_id, s.writer,"
        f" exists (select 1 from {block} as b where b.segment = s.segment) as sealed from {segment} as s"
        f" where s.batch_id = {warehouse.literal(batch_id)} or {in_segments(warehouse, seen, 's.segment')}"
        " order by s.opened_at, s.segment"
    )
    return tuple(StoredSegment(**row) for row in rows)


def settled_segments(
    warehouse: Warehouse, batch_id: str, seen: Sequence[str]
) -> tuple[tuple[StoredSegment, ...], dict[str, str]]:
    """Like `read_segments`, once nobody writes to the batch's own any more; and the segments still written, by whom.

    Inside a transaction; see Warehouse.wait_for_writers.
    """
    segments = read_segments(warehouse, batch_id, seen)
    unsealed = [
        item.segment
        for item in segments
        if not item.sealed and item.writer == "hooks" and item.batch_id == batch_id
    ]
    if not unsealed:
        return segments, {}
    held = warehouse.wait_for_writers(unsealed)
    return read_segments(warehouse, batch_id, seen), held


def read_state(
    warehouse: Warehouse, batch_id: str, segments: Sequence[StoredSegment], held: Mapping[str, str]
) -> StoreState:
    """What is written in the batch's segments; counts of captures only for invocations without an end."""
    own = [item for item in segments if item.batch_id == batch_id]
    marks = warehouse.query(
        "select invocation_id, event_type, coalesce(source, target) as node, metadata"
        f" from {warehouse.table('audit_event')}"
        f" where {in_segments(warehouse, [item.segment for item in own])} and part in ('run', 'end')"
    )
    ends = {
        row["invocation_id"]: _status(row["metadata"]) for row in marks if row["event_type"] == "batch_end"
    }
    open_segments = [item.segment for item in own if item.invocation_id not in ends]
    return StoreState(
        tuple(segments),
        frozenset(row["invocation_id"] for row in marks if row["event_type"] == "batch_start"),
        ends,
        frozenset((row["invocation_id"], row["node"]) for row in marks if row["node"]),
        _captured(warehouse, open_segments) if open_segments else {},
        held,
    )


def _captured(warehouse: Warehouse, segments: Sequence[str]) -> dict[tuple[str, str], Counts]:
    """What the captures of these segments counted, by invocation and node; a node may be captured in several parts."""
    rows = warehouse.query(
        f"select invocation_id, target, metadata from {warehouse.table('audit_event')}"
        f" where {in_segments(warehouse, segments)} and part not in ('run', 'end')"
        " and event_type in ('checkpoint', 'not_captured')"
    )
    found: dict[tuple[str, str], Counts] = {}
    for row in rows:
        told = json.loads(row["metadata"] or "{}")
        before = found.get((row["invocation_id"], row["target"]), Counts(0, 0, 0))
        found[row["invocation_id"], row["target"]] = Counts(
            before.inserts + int(told.get("inserts") or 0),
            before.updates + int(told.get("updates") or 0),
            before.deletes + int(told.get("deletes") or 0),
        )
    return found


def read_tally(warehouse: Warehouse, batch_id: str) -> dict[str, Any]:
    """What the batch came to: status and reason of its worst invocation, counts, and its blocks."""
    where = in_segments(warehouse, [item.segment for item in read_segments(warehouse, batch_id, ())])
    event, block = warehouse.table("audit_event"), warehouse.table("audit_block")
    ends = warehouse.query(
        f"select metadata from {event} where {where} and part = 'end' and event_type = 'batch_end' order by occurred_at"
    )
    others = warehouse.query(
        f"select event_type, count(*) as n from {event} where {where}"
        " and event_type in ('record_error', 'not_captured') group by event_type"
    )
    blocks = warehouse.query(
        f"select min(block_no) as first, max(block_no) as last from {block} where {where}"
    )[0]
    filled_in = warehouse.query(
        f"select metadata from {event} where {where} and part = 'end' and event_type = 'validation_fail'"
        f" and segment in (select segment from {warehouse.table('audit_segment')} where writer = 'runner')"
    )
    counted = {row["event_type"]: int(row["n"]) for row in others}
    return summed([json.loads(row["metadata"]) for row in ends]) | {
        "record_errors": counted.get("record_error", 0),
        "not_captured": counted.get("not_captured", 0),
        "rows_unknown": sum(bool(json.loads(row["metadata"]).get("rows_reason")) for row in filled_in),
        "first_block": blocks["first"],
        "last_block": blocks["last"],
    }


_SUMMED = (
    "nodes", "ok", "errors", "skipped", "tests_passed", "tests_failed", "tests_warned", "tests_errored", "inserts",
    "updates", "deletes",
)  # fmt: skip


def summed(ends: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The ends of a batch's invocations as one: the worst status with its reason, and the sums of the counts."""
    worst = min(ends, key=lambda end: _severity(end.get("status")), default={"status": "incomplete"})
    totals: dict[str, Any] = {name: sum(int(end.get(name) or 0) for end in ends) for name in _SUMMED}
    return {"status": worst.get("status") or "incomplete", "reason": worst.get("reason"), **totals}


def _severity(status: object) -> int:
    return BY_SEVERITY.index(str(status)) if status in BY_SEVERITY else 0


def _status(metadata: str | None) -> str:
    return str(json.loads(metadata or "{}").get("status") or "incomplete")
