"""What a trace reads of the warehouse and its store, each thing once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batch_audit.errors import ConfigurationError, WarehouseError
from batch_audit.history.captures import Capture, Trail, Uncaptured, read_node_trail
from batch_audit.history.moments import end_of_batch, folded, utc
from batch_audit.history.replay import check_sql, plan_undo, select_sql
from batch_audit.lineage.code import NodeCode, codes_from_records
from batch_audit.lineage.explore.from_store import lineage_records, moment_of
from batch_audit.lineage.hop import quoted_relation, spelled
from batch_audit.trace.result import Name, Record, Written
from batch_audit.trace.sql import SNAPSHOT_COLUMNS, Identity, current_sql, records_sql
from batch_audit.warehouses.base import Column, Warehouse

_EVENT = ("segment", "part", "seq", "batch_id", "batch_month", "occurred_at", "record_id", "change_type")
_PIECE = 5_000
"""Record ids of one query of the store."""


@dataclass(frozen=True)
class Place:
    """Where a node's records are read. `instead` is a relation with its past state, None for its own.

    `soft` and `doubt` say why it may not be as it was: `soft` where nothing tells that it was changed.
    """

    columns: tuple[Column, ...]
    instead: str | None = None
    soft: str | None = None
    doubt: str | None = None


@dataclass
class Reader:
    """Reads records of nodes.

    `until` is the end of the batch as of which is traced (microseconds UTC), and the batch; None for now. `checks` and
    `made` are check hashes of records as they are, and as the traced queries give them.
    """

    warehouse: Warehouse
    codes: Mapping[str, NodeCode]
    until: tuple[int, str] | None = None
    checks: dict[Name, str] = field(default_factory=dict)
    made: dict[Name, set[str]] = field(default_factory=dict)
    _columns: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    _trails: dict[str, Trail] = field(default_factory=dict)
    _places: dict[tuple[str, tuple[int, str] | None], Place] = field(default_factory=dict)
    _codes: dict[str, Mapping[str, NodeCode]] = field(default_factory=dict)
    _stored: dict[str, bool] = field(default_factory=dict)
    _temporary: Iterator[int] = field(default_factory=itertools.count)

    def columns(self, node: str) -> tuple[Column, ...]:
        """The present columns of a node's relation; none where it is not there, or lies in another database."""
        if node not in self._columns:
            relation, own = self.codes[node].relation, self.warehouse.database
            elsewhere = len(relation) > 2 and relation[-3].lower() != own.lower()
            self._columns[node] = () if elsewhere else tuple(self.warehouse.columns(*relation[-2:]))
        return self._columns[node]

    def trail(self, node: str) -> Trail:
        """The captures and builds of a node that the store knows; none of a source."""
        if node not in self._trails:
            known = self.warehouse.store_exists()
            self._trails[node] = read_node_trail(self.warehouse, node) if known else Trail(node, (), ())
        return self._trails[node]

    def key(self, node: str) -> tuple[str, ...]:
        """The columns that identify its records, as its relation spells them."""
        return spelled(self.codes[node].key, [column.name for column in self.columns(node)])

    def identity(self, node: str, columns: Sequence[Column] | None = None) -> Identity:
        """What tells a node's records apart, for its present columns or others."""
        trail = self.trail(node)
        own = SNAPSHOT_COLUMNS if self.codes[node].kind == "snapshot" else ()
        ignored = trail.captures[-1].ignored if trail.captures else own
        return Identity(node, tuple(columns or self.columns(node)), self.key(node), ignored)

    def has_stored_edges(self, node: str) -> bool:
        """Whether any run stored edges of a node's records (`audit_lineage`)."""
        if node not in self._stored:
            table, target = self.warehouse.table("audit_record_edge"), self.warehouse.literal(node)
            sql = f"select 1 as one from {table} where target = {target} limit 1"
            self._stored[node] = self.warehouse.store_exists() and bool(self.warehouse.query(sql))
        return self._stored[node]

    def builds(self, node: str) -> list[Capture | Uncaptured]:
        """The builds of a node that the store knows, captured or not."""
        trail = self.trail(node)
        return [*trail.seen, *trail.uncaptured]

    def built(self, node: str) -> tuple[str, int] | None:
        """The batch and the time of its last build, up to `until`."""
        builds = [(one.occurred_at, one.batch_id) for one in self.builds(node)]
        before = [one for one in builds if self.until is None or one[0] <= self.until[0]]
        return (max(before)[1], max(before)[0]) if before else None

    def codes_of(self, batch: str) -> Mapping[str, NodeCode]:
        """The code on record after a batch."""
        if batch not in self._codes:
            records = lineage_records(self.warehouse, moment_of(self.warehouse, batch))
            self._codes[batch] = {**self.codes, **codes_from_records(records)}
        return self._codes[batch]

    def end_of(self, batch: str) -> int:
        """When a batch last wrote something, in microseconds UTC."""
        return end_of_batch(self.warehouse, batch)

    def place(self, node: str, moment: tuple[int, str] | None) -> Place:
        """Where a node's records are read as they were at a time, and after a batch; None: as they are."""
        if (node, moment) not in self._places:
            self._places[node, moment] = self._place(node, moment)
        return self._places[node, moment]

    def _place(self, node: str, moment: tuple[int, str] | None) -> Place:
        columns, trail = self.columns(node), self.trail(node)
        if moment is None or self.codes[node].kind == "view":
            return Place(columns)
        if not trail.captures and not trail.uncaptured:
            return Place(
                columns, soft=f"{self.codes[node].name} is read as it is now: nothing tells what it was then"
            )
        time, batch = moment
        later = [one for one in self.builds(node) if one.occurred_at > time and one.batch_id != batch]
        if not later:
            return Place(columns)
        first = min(later, key=lambda one: one.occurred_at)
        changed = f"input changed since: {self.codes[node].name} was built again by batch {first.batch_id}"
        earlier = [one for one in trail.seen if one not in later]
        if not earlier or any(one in later for one in trail.uncaptured):
            return Place(columns, doubt=f"{changed}, and its log does not tell what it was before")
        return self._past(trail, earlier[-1], changed)

    def before(self, node: str, batch: str) -> Place:
        """Where a captured node's records are read as they were before a batch built it."""
        trail = self.trail(node)
        earlier = [place for place, one in enumerate(trail.captures) if one.batch_id == batch]
        reason = f"{self.codes[node].name} as it was before batch {batch} is not on record"
        if not earlier or earlier[0] == 0:
            return Place(self.columns(node), doubt=reason)
        return self._past(trail, trail.captures[earlier[0] - 1], reason)

    def _past(self, trail: Trail, target: Capture, changed: str) -> Place:
        """The state after a capture, in a temporary table, or why it cannot be had."""
        warehouse, columns = self.warehouse, self.columns(trail.node)
        try:
            replay = plan_undo(trail, target, columns, warehouse.values, warehouse.literal)
            tables = (warehouse.table("audit_event"), warehouse.table("audit_payload"))
            found = warehouse.query(check_sql(replay, *tables))[0]
            wrong = [name for name in ("erased", "lost", "unlogged", "edited") if found[name]]
            if wrong:
                return Place(
                    columns, doubt=f"{changed}, and its log does not tell what it was before ({wrong[0]})"
                )
            name = f"batch_audit_past_{next(self._temporary)}"
            warehouse.execute(f"create temporary table {name} as {select_sql(replay, *tables)}")
        except (ConfigurationError, WarehouseError) as error:
            return Place(
                columns, doubt=f"{changed}; what it was before is not known: {str(error).splitlines()[0]}"
            )
        return Place(target.columns, name)

    def records(self, node: str, ids: Iterable[str], fast: bool = True) -> dict[str, Record]:
        """The records of a node with these ids. One that is not there has no hash."""
        wanted = sorted(set(ids))
        if node not in self.codes:
            return {one: Record(node, one, (), None, None, Written("unknown")) for one in wanted}
        place = self.place(node, self.until)
        identity = self.identity(node, place.columns)
        relation = place.instead or self._relation(node)
        found: dict[str, list[tuple[str, str]]] = {}
        for start in range(0, len(wanted) if place.columns else 0, _PIECE):
            piece = wanted[start : start + _PIECE]
            for row in self.warehouse.query(records_sql(self.warehouse, identity, relation, piece, fast)):
                found.setdefault(row["record_id"], []).append((row["record_hash"], row["check_hash"]))
        logged = self._logged(node, wanted)
        return {one: self._record(node, one, identity, found.get(one, []), logged.get(one)) for one in wanted}

    def _relation(self, node: str) -> str:
        """What holds a node's records: of a snapshot, the current versions."""
        relation = quoted_relation(self.codes[node])
        names = {one.name for one in self.columns(node)}
        if self.codes[node].kind != "snapshot" or "dbt_valid_to" not in names:
            return relation
        return f"(select s.* from {relation} as s where {current_sql('s', self.columns(node))})"

    def _record(
        self, node: str, record_id: str, identity: Identity, rows: list[tuple[str, str]],
        logged: tuple[dict[str, Any], str | None] | None,
    ) -> Record:  # fmt: skip
        if rows:
            self.checks[node, record_id] = rows[0][1]
        current = rows[0][0] if rows else None
        note = f"its key is not unique: {len(rows)} rows have it" if len(rows) > 1 else None
        if logged is None:
            return Record(node, record_id, identity.key, current, None, self._unlogged(node), note, len(rows))
        event, record_hash = logged
        written = Written("change log", event["batch_id"], int(event["occurred_at"]))
        if event["change_type"] == "delete":
            gone = f"batch {event['batch_id']} deleted it ({utc(int(event['occurred_at']))})"
            note = note or (f"{gone}, and it is there again" if rows else gone)
            return Record(node, record_id, identity.key, current, None, written, note, len(rows))
        if record_hash is None:
            note = note or "what was logged of it was erased"
        elif current is not None and record_hash != current:
            note = note or f"changed since batch {event['batch_id']} logged it, without the audit"
        return Record(node, record_id, identity.key, current, record_hash, written, note, len(rows))

    def _unlogged(self, node: str) -> Written:
        """When a record was written of which no change is on record."""
        kind = self.codes[node].kind
        if kind == "view" or kind == "source":
            return Written("view" if kind == "view" else "source")
        trail = self.trail(node)
        seen = [one for one in trail.captures if self.until is None or one.occurred_at <= self.until[0]]
        if seen and not any(one.occurred_at < seen[0].occurred_at for one in trail.uncaptured):
            return Written("first capture", seen[0].batch_id, seen[0].occurred_at)
        built = self.built(node)
        return Written("last build", *built) if built else Written("unknown")

    def _logged(self, node: str, ids: Sequence[str]) -> dict[str, tuple[dict[str, Any], str | None]]:
        """The last change of each record up to `until`, and the hash that it logged."""
        trail = self.trail(node)
        if not trail.captures or not ids:
            return {}
        order = {(one.segment, one.part): place for place, one in enumerate(trail.captures)}
        last: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
        for start in range(0, len(ids), _PIECE):
            condition = self.warehouse.of_records(node, ids[start : start + _PIECE])
            if self.until is not None:
                condition += f" and occurred_at <= {self.until[0]}"
            for event in self.warehouse.find(
                "audit_event", _EVENT, f"event_type = 'record_write' and {condition}"
            ):
                place = order.get((event["segment"], event["part"]), -1), int(event["seq"])
                if event["record_id"] not in last or place > last[event["record_id"]][0]:
                    last[event["record_id"]] = place, event
        events = [event for _, event in last.values()]
        hashes = self._hashes(events)
        own = {(one.segment, one.part): one for one in trail.captures}
        newest = trail.newest
        return {
            event["record_id"]: (
                event,
                hashes.get(_at(event))
                if _same_columns(trail, own.get((event["segment"], event["part"]), newest), newest)
                else None,
            )
            for event in events
        }

    def _hashes(self, events: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str, int], str]:
        columns = ("batch_month", "segment", "part", "seq", "record_hash")
        rows = self.warehouse.at_places("audit_payload", columns, [_at(event) for event in events])
        return {_at(row): row["record_hash"] for row in rows if row["record_hash"]}


def _at(row: Mapping[str, Any]) -> tuple[str, str, str, int]:
    return row["batch_month"], row["segment"], row["part"], int(row["seq"])


def _same_columns(trail: Trail, one: Capture, newest: Capture) -> bool:
    """Whether two captures hash the same columns, so that a record without a change keeps its hash."""
    return {folded(trail.fold, name) for name in one.ignored} == {
        folded(trail.fold, name) for name in newest.ignored
    }
