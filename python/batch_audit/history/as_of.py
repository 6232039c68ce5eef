"""Writes a relation as it stood into a relation of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import Capture, Trail, read_trail
from batch_audit.history.moments import after, utc
from batch_audit.history.names import parse_relation
from batch_audit.history.replay import Replay, check_sql, plan_forward, plan_undo, select_sql
from batch_audit.warehouses.base import Warehouse, quote_identifier

_REPLACEABLE = ("table", "view", "materialized view")


@dataclass(frozen=True)
class AsOf:
    """What was written: `rows` records of `node` as `capture` left them, into the relation `into`."""

    replay: Replay
    into: str
    rows: int

    @property
    def capture(self) -> Capture:
        """The capture whose state it is."""
        return self.replay.target

    def as_json(self) -> dict[str, Any]:
        """The result for machines."""
        first = self.replay.trail.captures[0]
        return {
            "node": self.replay.trail.node,
            "into": self.into,
            "rows": self.rows,
            "capture_no": self.capture.number,
            "batch_id": self.capture.batch_id,
            "captured_at": utc(self.capture.occurred_at),
            "way": "undo" if self.replay.undoes else self.replay.replayed[0].mode,
            "captures_replayed": [capture.number for capture in self.replay.replayed],
            "ignored": self.replay.ignored,
            "not_exact": self.replay.not_exact,
            "history_starts": {
                "capture_no": first.number,
                "at": utc(first.occurred_at if first.first_at is None else first.first_at),
                "mode": first.mode,
            },
        }


def write_as_of(
    warehouse: Warehouse, model: str, moment: str, into: str, *, from_baseline: bool, replace: bool
) -> AsOf:
    """Write the relation of `model` as it stood after the batch or at the time `moment`.

    All in one transaction: what exists stays as it is unless the whole is written. Raises ConfigurationError where
    the log does not tell that state, or `into` exists and is not to be replaced.
    """
    trail = read_trail(warehouse, model)
    newest = trail.newest
    schema, name = parse_relation(
        into, default=parse_relation(newest.relation)[0], database=warehouse.database
    )
    written = f"{quote_identifier(schema)}.{quote_identifier(name)}"
    _refuse_own(warehouse, trail, schema, name)
    with warehouse.transaction():
        if not from_baseline and warehouse.columns(*parse_relation(newest.relation)):
            warehouse.keep_still(*parse_relation(newest.relation))
        # Read again: nobody can exchange the relation from here on.
        trail = read_trail(warehouse, trail.node)
        target = after(warehouse, trail, moment)
        replay = _plan(warehouse, trail, target, from_baseline)
        kind = warehouse.relation_kind(schema, name)
        _refuse_existing(written, kind, replace)
        _check(warehouse, replay)
        if kind is not None:
            warehouse.execute(f"drop {kind} {written}")
        tables = (warehouse.table("audit_event"), warehouse.table("audit_payload"))
        warehouse.execute(f"create table {written} as {select_sql(replay, *tables)}")
        rows = int(warehouse.query(f"select count(*) as n from {written}")[0]["n"])
        _check_rows(trail, target, rows)
    return AsOf(replay, written, rows)


def _plan(warehouse: Warehouse, trail: Trail, target: Capture, from_baseline: bool) -> Replay:
    if from_baseline or trail.node.startswith("snapshot."):
        return plan_forward(trail, target, warehouse.values, warehouse.literal)
    present = warehouse.columns(*parse_relation(trail.newest.relation))
    return plan_undo(trail, target, present, warehouse.values, warehouse.literal)


def _refuse_existing(written: str, kind: str | None, replace: bool) -> None:
    if kind is None or (replace and kind in _REPLACEABLE):
        return
    remedy = "Name another relation" + (", or give --replace." if kind in _REPLACEABLE else ".")
    raise ConfigurationError(f"{written} exists (a {kind}) and stays as it is.\n  {remedy}")


def _refuse_own(warehouse: Warehouse, trail: Trail, schema: str, name: str) -> None:
    own = {parse_relation(capture.relation) for capture in trail.captures}
    if (schema.lower(), name.lower()) in {(s.lower(), n.lower()) for s, n in own}:
        raise ConfigurationError(
            f"{schema}.{name} is the relation of {trail.name} itself.\n  Name another relation with --into."
        )
    if schema.lower() == warehouse.audit_schema.lower():
        raise ConfigurationError(
            f"{schema} is the schema of the audit store, which holds nothing else.\n  Name another schema with --into."
        )


def _check(warehouse: Warehouse, replay: Replay) -> None:
    """Raises ConfigurationError where values were erased, or the relation is not as the log left it."""
    tables = (warehouse.table("audit_event"), warehouse.table("audit_payload"))
    found = warehouse.query(check_sql(replay, *tables))[0]
    where = f"{replay.trail.name}: cannot tell how it stood after capture {replay.target.number}: "
    if found["erased"]:
        raise ConfigurationError(
            where + f"the values of {found['erased']} changed records have been erased from the store.\n"
            "  The rest of their history is still there: batch-audit history."
        )
    if found["lost"] or found["unlogged"] or found["edited"]:
        raise ConfigurationError(
            where
            + f"{replay.trail.newest.relation} is not as the last capture left it ({found['lost']} records are"
            f" missing, {found['unlogged']} are there again, {found['edited']} have other values): it was changed"
            " without the audit.\n  Build the model with the audit first, or use --from-baseline."
        )


def _check_rows(trail: Trail, target: Capture, rows: int) -> None:
    # How many records there were in the middle of what was backfilled, nobody has counted.
    if target.until is None and rows != target.rows_after:
        raise ConfigurationError(
            f"{trail.name}: after capture {target.number} it had {target.rows_after} rows, and replaying gives {rows}:"
            " the relation was changed without the audit, or events are missing.\n"
            "  Nothing was written. `batch-audit verify` checks the store."
        )
