"""Reading the store row by row and computing everything in Python: slow, trusts the warehouse with rows alone.

It keeps a few hundred bytes for every event that committed to a payload, and one segment's leaves at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from batch_audit.ledger.observed import Committed, Leaf, Observed, Payload, Progress, take_payload_pair
from batch_audit.ledger.rows import row_hash
from batch_audit.ledger.tables import EVENT, PAYLOAD, SEALED, Table
from batch_audit.ledger.text import payload_commitment
from batch_audit.warehouses.base import Warehouse

_ROWS_AT_ONCE = 10_000


def read_locally(warehouse: Warehouse, observed: Observed, progress: Progress, where: str = "1 = 1") -> None:
    """Read the rows of every table under a condition, recompute every hash, tree and commitment in Python."""
    reader = _Reader(warehouse, observed, progress, where)
    for table in SEALED:
        reader.read_sealed(table)
    reader.read_payloads()
    progress("", 1.0)


class _Reader:
    def __init__(self, warehouse: Warehouse, observed: Observed, progress: Progress, where: str):
        self.warehouse, self.where = warehouse, where
        self.observed = observed
        self.progress = progress
        self.committed: dict[str | None, set[Committed]] = defaultdict(set)
        self.commitments: Counter[str | None] = Counter()
        erased = f"select source from {warehouse.table(EVENT.name)} where event_type = 'erasure' and source is not null"
        self.erasures = {row["source"] for row in warehouse.query(erased)}
        counts = [
            f"select count(*) as n from {warehouse.table(table.name)} where {where}"
            for table in (*SEALED, PAYLOAD)
        ]
        self.total = max(1, sum(warehouse.query(count)[0]["n"] for count in counts))
        self.done = 0

    def read_sealed(self, table: Table) -> None:
        """One table whose rows blocks cover, segment by segment."""
        rows = self._rows(table, order_by="segment")
        for segment, group in groupby(rows, key=lambda row: row[0]):
            leaves = []
            for row in group:
                leaf = self._take(table, row)
                if segment is not None and leaf is not None:
                    leaves.append(leaf)
            if leaves:
                self.observed.take_segment(table.name, segment, leaves)

    def _take(self, table: Table, row: tuple[Any, ...]) -> Leaf | None:
        values = dict(zip(table.columns, row, strict=True))
        if table is EVENT:
            self._take_event(values)
        segment, part, seq = row[:3]
        if segment is None or part is None or seq is None:
            event_id = values.get("event_id")
            self.observed.note("row_unplaced", table.name, segment, part=part, seq=seq, event_id=event_id)
            return None
        leaf = row_hash(table, row)
        if table is EVENT and leaf != values["event_id"]:
            place = {
                name: values[name]
                for name in ("part", "seq", "event_id", "event_type", "target", "record_id")
            }
            self.observed.note("event_edited", EVENT.name, segment, **place)
        return Leaf(part, seq, leaf)

    def _take_event(self, event: dict[str, Any]) -> None:
        if event["payload_commitment"] is not None:
            self.commitments[event["event_id"]] += 1
            self.committed[event["event_id"]].add(
                Committed(**{name: event[name] for name in Committed._fields})
            )
        if event["event_type"] == "batch_end" and event["segment"] is not None:
            self.observed.ended.add(event["segment"])

    def read_payloads(self) -> None:
        """All payloads against the events that committed to them."""
        copies: Counter[str] = Counter()
        for row in self._rows(PAYLOAD, order_by="event_id"):
            payload = _payload(dict(zip(PAYLOAD.columns, row, strict=True)))
            events = self.committed.get(payload.event_id, set()) if payload.event_id is not None else set()
            for event in events or (None,):
                take_payload_pair(self.observed, event, payload)
            if payload.event_id is not None and events:
                copies[payload.event_id] += 1
        self._note_duplicates(copies)
        for event_id in self.committed.keys() - copies.keys():
            if event_id in self.erasures:
                self.observed.erased += self.commitments[event_id]
                continue
            for event in self.committed[event_id]:
                take_payload_pair(self.observed, event, None)

    def _note_duplicates(self, copies: Counter[str]) -> None:
        for event_id, count in copies.items():
            if count > 1:
                for segment, part, seq in {event[1:4] for event in self.committed[event_id]}:
                    place = {"part": part, "seq": seq, "event_id": event_id, "detail": f"{count} payloads"}
                    self.observed.note("payload_duplicated", PAYLOAD.name, segment, **place)

    def _rows(self, table: Table, order_by: str) -> Iterator[tuple[Any, ...]]:
        columns = ", ".join(table.columns)
        sql = (
            f"select {columns} from {self.warehouse.table(table.name)} where {self.where} order by {order_by}"
        )
        self.observed.rows[table.name] = 0
        for rows in self.warehouse.stream(sql, _ROWS_AT_ONCE):
            self.progress(table.name, self.done / self.total)
            yield from rows
            self.done += len(rows)
            self.observed.rows[table.name] += len(rows)


def _payload(row: dict[str, Any]) -> Payload:
    commitment = payload_commitment(
        row["salt"], row["old_hash"], row["record_hash"], row["old_value"], row["new_value"]
    )
    return Payload(**{name: row[name] for name in Payload._fields[:-1]}, commitment=commitment)
