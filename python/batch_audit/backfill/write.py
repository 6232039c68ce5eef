"""Writes what snapshots tell of the time before their captures: one batch, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from batch_audit.backfill.changes import (
    CHANGES,
    LIMITS,
    WRITES,
    insert_sql,
    limits_sql,
    pending_sql,
    writes_sql,
)
from batch_audit.backfill.judge import (
    captured_from_the_start,
    raise_for_rewritten_past,
    raise_for_versions,
    seen_from,
)
from batch_audit.backfill.snapshots import Snapshot
from batch_audit.backfill.versions import VERSIONS, Versions, versions_sql
from batch_audit.errors import ConfigurationError, StoreMissingError
from batch_audit.history.captures import Trail, read_node_trail
from batch_audit.ledger.rows import Row, Segment, event_row
from batch_audit.ledger.seal import seal_segments
from batch_audit.ledger.tables import EVENT, SEGMENT
from batch_audit.runner.ending import Ending
from batch_audit.runner.facts import Invocation, Start
from batch_audit.runner.fill import Counts, fill_events
from batch_audit.warehouses.base import Warehouse

NOTE = "made from the versions in the snapshot's table; nobody saw these changes happen"


@dataclass(frozen=True)
class Backfilled:
    """What was written for a snapshot, and `reason` where that is nothing.

    Changes happened from `first_at` to `last_at` (microseconds UTC). Of `left_out` records the first captured change
    does not say where their captured history begins. `later` changes happened after the first capture began, to records
    of which no capture saw a change; they are left out, too. `valid` records are told to have been there when the first
    capture came, which found `found` (None without one).
    """

    node: str
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    first_at: int | None = None
    last_at: int | None = None
    left_out: int = 0
    later: int = 0
    valid: int = 0
    found: int | None = None
    reason: str | None = None

    @property
    def changes(self) -> int:
        """How many changes were written."""
        return self.inserts + self.updates + self.deletes


def write_backfill(warehouse: Warehouse, snapshots: Sequence[Snapshot], start: Start) -> list[Backfilled]:
    """Write the changes of the snapshots that the store does not know, all or none; without any there is no batch.

    Raises StoreMissingError without a store, and ConfigurationError, once for all snapshots, for those whose versions
    do not tell what happened.
    """
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database},"
            " so nothing can"
            " be written to it.\n  Run an audited batch first (`batch-audit run -- dbt build`), or name the right"
            " --target or --audit-schema."
        )
    segment = Segment.open(
        "runner",
        batch_id=start.batch_id,
        batch_month=start.batch_month,
        invocation_id=None,
        now_us=start.started_at,
    )
    done: list[Backfilled] = []
    problems: list[str] = []
    with warehouse.transaction():
        for snapshot in snapshots:
            try:
                done.append(_write_snapshot(warehouse, snapshot, segment, start))
            except ConfigurationError as problem:
                problems.append(str(problem))
        if problems:
            raise ConfigurationError("\n".join(problems))
        if any(item.changes for item in done):
            _write_batch(warehouse, segment, start, done)
    return done


def _write_batch(warehouse: Warehouse, segment: Segment, start: Start, done: Sequence[Backfilled]) -> None:
    """The batch's own start and end, and its seal."""
    run = Invocation("", started_at=start.started_at, ended_at=start.started_at)
    counts = {item.node: Counts(item.inserts, item.updates, item.deletes) for item in done}
    events = fill_events(
        segment, start, run, Ending("success"), False, set(), counts, clean=warehouse.storable
    )
    warehouse.insert(SEGMENT.name, SEGMENT.columns, [segment.row()])
    warehouse.insert(EVENT.name, EVENT.columns, events)
    seal_segments(warehouse, [segment.segment], now_us=start.started_at)


def _write_snapshot(warehouse: Warehouse, snapshot: Snapshot, segment: Segment, start: Start) -> Backfilled:
    table = _located(warehouse, snapshot)
    # Read under the lock: no capture can come in between.
    trail = read_node_trail(warehouse, snapshot.unique_id)
    reason = captured_from_the_start(trail)
    if reason:
        return Backfilled(snapshot.unique_id, reason=reason)
    # One after the other, under the same names.
    for name in (VERSIONS, LIMITS, CHANGES, WRITES):
        warehouse.execute(f"drop table if exists {name}")
    warehouse.execute(versions_sql(table))
    raise_for_versions(warehouse, snapshot)
    warehouse.execute(limits_sql(table, trail.seen))
    warehouse.execute(pending_sql(table, trail.backfills, seen_from(warehouse, trail)))
    raise_for_rewritten_past(warehouse, snapshot)
    found = _measured(warehouse, trail)
    if found.changes:
        warehouse.execute(writes_sql(table, segment))
        checkpoint = _checkpoint(table, segment, start, trail, found, _zone(warehouse, snapshot))
        warehouse.insert(EVENT.name, EVENT.columns, [checkpoint])
        for statement in insert_sql(warehouse):
            warehouse.execute(statement)
    return found


def _located(warehouse: Warehouse, snapshot: Snapshot) -> Versions:
    """The snapshot's table, which nobody else changes from here on. Raises ConfigurationError where there is none."""
    if snapshot.database.lower() != warehouse.database.lower():
        raise ConfigurationError(
            f"{snapshot.name}: it lies in the database {snapshot.database} and the audit store in {warehouse.database}:"
            " one transaction writes one database. Nothing was written."
        )
    if warehouse.relation_kind(snapshot.schema, snapshot.table) != "table":
        raise ConfigurationError(
            f"{snapshot.name}: there is no table {snapshot.relation}, so it has not been built here.\n"
            "  Nothing was written. Build it with `dbt snapshot`, or name the right --target."
        )
    warehouse.keep_unchanged(snapshot.schema, snapshot.table)
    return Versions(warehouse, snapshot, tuple(warehouse.columns(snapshot.schema, snapshot.table)))


def _measured(warehouse: Warehouse, trail: Trail) -> Backfilled:
    row = warehouse.query(
        "select count(case when change_type = 'insert' then 1 end) as inserts,"
        " count(case when change_type = 'update' then 1 end) as updates,"
        " count(case when change_type = 'delete' then 1 end) as deletes,"
        " min(occurred_at) as first_at, max(occurred_at) as last_at,"
        f" (select count(*) from {LIMITS} where unknown) as left_out,"
        f" (select count(*) from {CHANGES} where later) as later from {CHANGES} where not later"
    )[0]
    before = trail.backfills[-1].rows_after if trail.backfills else 0
    found = Backfilled(
        trail.node,
        **row,
        valid=before + row["inserts"] - row["deletes"],
        found=trail.seen[0].rows_before if trail.seen else None,
    )
    if found.changes:
        return found
    since = "an earlier backfill wrote them" if trail.backfills else "its table holds none"
    return replace(found, reason=f"there is nothing to write that the store does not know: {since}")


def _zone(warehouse: Warehouse, snapshot: Snapshot) -> str:
    """The zone in which the snapshot's times were read that have none of their own."""
    if not snapshot.local:
        return "UTC"
    return str(warehouse.query("select current_setting('TimeZone') as zone")[0]["zone"])


def _checkpoint(
    table: Versions, segment: Segment, start: Start, trail: Trail, found: Backfilled, zone: str
) -> Row:
    """What a capture would say of itself, of all changes together."""
    snapshot = table.snapshot
    metadata: dict[str, Any] = {
        "kind": "capture", "mode": "backfill", "capture_no": 0, "relation": snapshot.relation, "scope": "versions",
        "key": table.key, "key_rule": snapshot.key_rule, "ignored": table.ignored,
        "columns": [asdict(column) for column in table.columns],
        "rows_before": trail.backfills[-1].rows_after if trail.backfills else 0, "rows_after": found.valid,
        "inserts": found.inserts, "updates": found.updates, "deletes": found.deletes, "not_stored": found.left_out,
        "not_stored_digest": None, "fingerprint": None, "fingerprint_engine": None, "note": NOTE,
        "first_at": found.first_at, "last_at": found.last_at, "zone": zone, "later": found.later,
    }  # fmt: skip
    return event_row(
        segment, snapshot.unique_id, 1, "checkpoint", occurred_at=start.started_at,
        actor=start.actor and table.warehouse.storable(start.actor), target=snapshot.unique_id, metadata=metadata,
    )  # fmt: skip
