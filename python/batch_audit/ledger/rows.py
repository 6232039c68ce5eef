"""Rows of the store built from Python values, for the writers that are not dbt's hooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import uuid4

from batch_audit.ledger.tables import EVENT, SEGMENT, Table
from batch_audit.ledger.text import row_text, sha256_hex

Value = str | int | None
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Segment:
    """One writer's share of a batch; `opened_at` in microseconds since 1970-01-01 UTC."""

    segment: str
    batch_id: str
    batch_month: str
    invocation_id: str | None
    writer: str
    opened_at: int

    @classmethod
    def open(
        cls,
        writer: Literal["runner", "seal"],
        *,
        batch_id: str,
        batch_month: str,
        invocation_id: str | None,
        now_us: int,
    ) -> Segment:
        """A new segment of a writer that is not dbt's hooks, under a new UUID."""
        return cls(str(uuid4()), batch_id, batch_month, invocation_id, writer, now_us)

    def row(self) -> Row:
        """The segment's own row, in the order of `SEGMENT.columns`."""
        return tuple({**asdict(self), "part": "segment", "seq": 1}[column] for column in SEGMENT.columns)


def row_hash(table: Table, row: Row) -> str:
    """The leaf of a row given in the table's declared order; for an event, the id that it should have."""
    hashed = set(table.hashed)
    fields = tuple(value for column, value in zip(table.columns, row, strict=True) if column in hashed)
    return sha256_hex(row_text(table.name, fields))


def event_row(
    segment: Segment,
    part: str,
    seq: int,
    event_type: str,
    *,
    occurred_at: int,
    metadata: Mapping[str, Any] | None = None,
    **columns: Value,
) -> Row:
    """One event in the order of `EVENT.columns`, with the id that is the hash of the others.

    `columns` are any of actor, source, target, record_id, change_type, changed_fields, payload_commitment,
    error_message, error_stack; those not given are NULL. `metadata` is written as compact JSON with sorted keys.
    `invocation_id` is the segment's unless it is given. Text must have passed the warehouse's `storable`.

    Raises TypeError for a column that an event does not have.
    """
    values: dict[str, Value] = {
        "segment": segment.segment,
        "part": part,
        "seq": seq,
        "batch_id": segment.batch_id,
        "batch_month": segment.batch_month,
        "event_type": event_type,
        "occurred_at": occurred_at,
        "invocation_id": segment.invocation_id,
        "metadata": None if metadata is None else metadata_json(metadata),
        **columns,
    }
    unknown = sorted(set(values) - set(EVENT.hashed))
    if unknown:
        raise TypeError(f"an event has no column {', '.join(unknown)}")
    fields = tuple(values.get(column) for column in EVENT.hashed)
    event_id = sha256_hex(row_text(EVENT.name, fields))
    return tuple(event_id if column == "event_id" else values.get(column) for column in EVENT.columns)


def metadata_json(metadata: Mapping[str, Any]) -> str:
    """An event's metadata as it is stored: compact JSON with sorted keys, text as it is."""
    return json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
