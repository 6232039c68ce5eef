"""The captures of one node: what each compared, in the order in which they happened. Reads the store's own tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from batch_audit.errors import ConfigurationError, StoreMissingError
from batch_audit.history.beside import beside, in_one_order
from batch_audit.warehouses.base import Column, Fold, Warehouse

_SHOWN = 8


@dataclass(frozen=True)
class Capture:
    """One capture of a relation. Times are microseconds since 1970-01-01 UTC; `number` is dense from 1.

    `mode` is `changes`, or `first_build` and `baseline` where nothing before it is known. Its records are the
    record_write events of the same segment and part; `not_stored` of them were only counted. `found_edited` tells that
    somebody had changed the relation since the capture before. `fingerprint_before` and `fingerprint` are those of the
    relation before and afterwards. `twice` is a record that another capture of this number in the same run changed as
    well, if there is one.

    What a snapshot's own versions told of the time before capture 1 (mode `backfill`) is capture 0, and one that went
    further later is 0 in its place, and the one before is -1. Its changes happened from `first_at` to `occurred_at`.
    A part of it is those after `after` and up to `until`.
    """

    number: int
    mode: str
    batch_id: str
    batch_month: str
    segment: str
    part: str
    occurred_at: int
    relation: str
    key: tuple[str, ...]
    ignored: tuple[str, ...]
    columns: tuple[Column, ...]
    rows_before: int | None
    rows_after: int
    not_stored: int = 0
    found_edited: bool = False
    fingerprint_before: str | None = None
    fingerprint: str | None = None
    fingerprint_engine: str | None = None
    twice: str | None = None
    first_at: int | None = None
    after: int | None = None
    until: int | None = None

    @property
    def backfilled(self) -> bool:
        """Whether nobody saw its changes: a snapshot's versions tell of them."""
        return self.mode == "backfill"


@dataclass(frozen=True)
class Uncaptured:
    """A build whose changes were not captured, and why. `occurred_at` is in microseconds UTC."""

    batch_id: str
    occurred_at: int
    reason: str


@dataclass(frozen=True)
class Trail:
    """All captures of a node by number, and the builds that went by without one in the order of their times.

    `fold` says how the engine compares names of columns.
    """

    node: str
    captures: tuple[Capture, ...]
    uncaptured: tuple[Uncaptured, ...]
    fold: Fold = "exact"

    @property
    def name(self) -> str:
        """The node's name without its type and project."""
        return self.node.split(".", 2)[-1]

    def place(self, capture: Capture) -> int:
        """The place of a capture, or of the one that it is a part of; numbers are no places, they may be shared."""
        own = capture.segment, capture.part
        return next(place for place, c in enumerate(self.captures) if (c.segment, c.part) == own)

    def until(self, high: Capture) -> tuple[Capture, ...]:
        """The captures from the first to `high`, of which the last may be a part."""
        place = self.place(high)
        return *self.captures[:place], replace(self.captures[place], until=high.until)

    def later(self, low: Capture, high: Capture | None = None) -> tuple[Capture, ...]:
        """The captures after `low`, up to `high` or the newest; first the rest of one that `low` is a part of."""
        until = self.captures if high is None else self.until(high)
        place = self.place(low)
        rest = [replace(c, after=low.until) for c in until[place : place + 1] if low.until is not None]
        return *rest, *until[place + 1 :]

    @property
    def seen(self) -> list[Capture]:
        """The captures that saw what they tell."""
        return [capture for capture in self.captures if not capture.backfilled]

    @property
    def backfills(self) -> list[Capture]:
        """What a snapshot's versions told of the time before, in the order in which it was written."""
        return [capture for capture in self.captures if capture.backfilled]

    @property
    def newest(self) -> Capture:
        """The last capture. Raises ConfigurationError, with the known reasons, when there is none."""
        if self.captures:
            return self.captures[-1]
        reasons = sorted({build.reason for build in self.uncaptured})
        raise ConfigurationError(
            f"{self.name}: none of its builds was captured, so nothing is known of its records"
            + (f" ({'; '.join(reasons)})" if reasons else "")
            + ".\n  Ask for it with meta: {audit_capture: changes} and build it."
        )


def read_trail(warehouse: Warehouse, model: str) -> Trail:
    """The trail of the node that `model` names: its name, or its unique_id.

    Raises StoreMissingError without a store, ConfigurationError for a name of no node or of several.
    """
    trail = _trail(find_node(warehouse, model), _node_events(warehouse, model), warehouse.values.fold)
    shared = beside(trail.captures, trail.node)
    if not shared:
        return trail
    twice = _changed_twice(warehouse, trail.node, shared)
    return replace(trail, captures=tuple(in_one_order(trail.captures, trail.node, twice)))


def _changed_twice(warehouse: Warehouse, node: str, shared: Sequence[Capture]) -> list[tuple[str, int, str]]:
    """Segment, number and one record of each number of a run under which a record was changed more than once."""
    literal = warehouse.literal
    rows = ", ".join(f"({literal(c.segment)}, {literal(c.part)}, {c.number})" for c in shared)
    months = ", ".join(sorted({literal(c.batch_month) for c in shared}))
    found = warehouse.query(
        f"with captures(segment, part, number) as (values {rows}), repeated as (select k.segment, k.number,"
        f" e.record_id from {warehouse.table('audit_event')} as e join captures as k on k.segment = e.segment and"
        f" k.part = e.part where e.event_type = 'record_write' and e.target = {literal(node)} and e.batch_month in"
        f" ({months}) group by k.segment, k.number, e.record_id having count(*) > 1)"
        " select segment, number, min(record_id) as record_id from repeated group by segment, number"
    )
    return [(row["segment"], int(row["number"]), str(row["record_id"])) for row in found]


def read_node_trail(warehouse: Warehouse, node: str) -> Trail:
    """The trail of the node with this unique_id, which is empty for one that the store does not know."""
    return _trail(node, _node_events(warehouse, node), warehouse.values.fold)


def find_node(warehouse: Warehouse, model: str) -> str:
    """The unique_id of the node that `model` names. Raises like `read_trail`."""
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in {warehouse.database}.{warehouse.audit_schema}, so there is no history.\n"
            "  Run an audited batch first (`batch-audit run -- dbt build`), or name the right --target or"
            " --audit-schema."
        )
    found = sorted({str(row["target"]) for row in _node_events(warehouse, model)})
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"{model!r} names several nodes: {', '.join(found)}.\n  Give the unique_id.")
    known = warehouse.query(
        f"select distinct target from {warehouse.table('audit_event')} where event_type = 'checkpoint'"
        " and target = part order by target"
    )
    names = [str(row["target"]) for row in known]
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    raise ConfigurationError(
        f"The audit store knows no node {model!r}. "
        + (f"Captured are: {listed}." if names else "No relation has been captured yet.")
        + "\n  Give the name of a model that has run, or its unique_id."
    )


def _node_events(warehouse: Warehouse, model: str) -> list[dict[str, Any]]:
    ends = warehouse.literal(f".{model}")
    return warehouse.query(
        "select segment, part, batch_id, batch_month, invocation_id, event_type, occurred_at, target, metadata"
        f" from {warehouse.table('audit_event')}"
        " where event_type in ('checkpoint', 'not_captured', 'out_of_band_change')"
        f" and record_id is null and (target = {warehouse.literal(model)}"
        f" or right(target, {len(model) + 1}) = {ends}) order by occurred_at, segment"
    )


def _trail(node: str, events: Sequence[Mapping[str, Any]], fold: Fold) -> Trail:
    captures: list[Capture] = []
    uncaptured: list[Uncaptured] = []
    edited = {
        (event["segment"], event["part"]) for event in events if event["event_type"] == "out_of_band_change"
    }
    spoken_of = {event["invocation_id"] for event in events if event["part"] != "end" or _refused(event)}
    for event in events:
        told = json.loads(event["metadata"] or "{}")
        if _refused(event):
            uncaptured.append(Uncaptured(event["batch_id"], event["occurred_at"], told.get("reason") or "?"))
        elif told.get("kind") == "capture":
            captures.append(_capture(event, told, (event["segment"], event["part"]) in edited))
        elif told.get("status") == "success" and event["invocation_id"] not in spoken_of:
            uncaptured.append(Uncaptured(event["batch_id"], event["occurred_at"], "it did not ask for it"))
    seen = sorted(
        (capture for capture in captures if not capture.backfilled),
        key=lambda capture: (capture.number, capture.occurred_at, capture.part),
    )
    backfills = [capture for capture in captures if capture.backfilled]
    numbered = [replace(capture, number=-place) for place, capture in enumerate(reversed(backfills))]
    # A snapshot's versions tell what builds before its first capture did, whether or not these were captured.
    told_until = max((event["occurred_at"] for event in events if _is_backfill(event)), default=0)
    told_until = min([told_until, *(capture.occurred_at for capture in seen[:1])])
    missed = [build for build in uncaptured if build.occurred_at > told_until]
    return Trail(node, (*reversed(numbered), *seen), tuple(missed), fold)


def _is_backfill(event: Mapping[str, Any]) -> bool:
    return '"mode":"backfill"' in (event["metadata"] or "")


def _refused(event: Mapping[str, Any]) -> bool:
    return bool(event["event_type"] == "not_captured")


def _capture(event: Mapping[str, Any], told: Mapping[str, Any], found_edited: bool) -> Capture:
    return Capture(
        number=int(told["capture_no"]),
        mode=told["mode"],
        batch_id=event["batch_id"],
        batch_month=event["batch_month"],
        segment=event["segment"],
        part=event["part"],
        # When the store came to know of what was backfilled is another time.
        occurred_at=told.get("last_at") or event["occurred_at"],
        relation=told["relation"],
        key=tuple(told["key"]),
        ignored=tuple(told["ignored"] or ()),
        columns=tuple(Column(column["name"], column["type"]) for column in told["columns"]),
        rows_before=told["rows_before"],
        rows_after=told["rows_after"],
        not_stored=int(told.get("not_stored") or 0),
        found_edited=found_edited,
        fingerprint_before=told.get("fingerprint_before"),
        fingerprint=told.get("fingerprint"),
        fingerprint_engine=told.get("fingerprint_engine"),
        first_at=told.get("first_at"),
    )
