"""What differs between a relation after one batch and after a later one: an insert and then a delete are nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import Capture, Trail, read_trail
from batch_audit.history.moments import after, break_between, folded, spellings, utc
from batch_audit.history.replay import changes_sql
from batch_audit.warehouses.base import Column, Fold, Warehouse

Row = Mapping[str, Any]


@dataclass(frozen=True)
class NetChange:
    """The net change of a node between two captures.

    `kinds` counts records by insert, update and delete; `fields` counts updated records by the name of the field that
    differs; `erased` records cannot be told for want of their values. `samples` has records as they were and are.
    """

    trail: Trail
    low: Capture
    high: Capture
    kinds: Mapping[str, int]
    fields: Mapping[str, int]
    erased: int
    samples: Sequence[Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """The net change for machines."""
        return {
            "node": self.trail.node,
            "from": _end(self.low),
            "to": _end(self.high),
            "records": dict(self.kinds),
            "fields": dict(self.fields),
            "values_erased": self.erased,
            "samples": list(self.samples),
        }


def _end(capture: Capture) -> dict[str, Any]:
    return {
        "capture_no": capture.number,
        "batch_id": capture.batch_id,
        "captured_at": utc(capture.occurred_at),
    }


def read_net_change(
    warehouse: Warehouse, model: str, first: str | None, last: str | None, samples: int = 10
) -> NetChange:
    """The net change after batch (or time) `first` up to after batch `last`, with so many samples of each kind.

    Without `last` it is up to the newest capture; without `first`, what the batch of the last capture did. Raises
    ConfigurationError where the log does not tell all that happened in between.
    """
    trail = read_trail(warehouse, model)
    high = trail.newest if last is None else after(warehouse, trail, last)
    low = _before_batch(trail, high) if first is None else after(warehouse, trail, first)
    if (trail.place(low), low.occurred_at) > (trail.place(high), high.occurred_at):
        raise ConfigurationError(
            f"{trail.name}: --from is capture {low.number}, which is later than --to, capture {high.number}.\n"
            "  Exchange the two."
        )
    reason = break_between(trail, low, high)
    if reason:
        raise ConfigurationError(
            f"{trail.name}: the net change from capture {low.number} to {high.number} is not known: {reason}.\n"
            "  Give --from and --to on the same side of it."
        )
    between = trail.later(low, high)
    columns = compared_columns(warehouse.values.fold, low, between)
    sql = _Sql(warehouse, trail, between, columns)
    counts = warehouse.query(sql.counts())[0]
    fields = {name: int(counts[f"f_{place}"]) for place, (name, _) in enumerate(columns)}
    return NetChange(
        trail,
        low,
        high,
        {kind: int(counts[kind]) for kind in ("insert", "update", "delete")},
        {name: count for name, count in sorted(fields.items(), key=lambda f: (-f[1], f[0])) if count},
        int(counts["erased"]),
        [sample(row, columns) for row in warehouse.query(sql.samples(samples))],
    )


def _before_batch(trail: Trail, high: Capture) -> Capture:
    """The last capture before the batch of `high`."""
    earlier = [c for c in trail.until(high) if c.batch_id != high.batch_id]
    if earlier:
        return earlier[-1]
    raise ConfigurationError(
        f"{trail.name}: batch {high.batch_id} holds its first capture ({high.mode}), so there is nothing to"
        " compare with.\n  History starts there; build it once more, or give --from."
    )


def compared_columns(fold: Fold, low: Capture, between: Sequence[Capture]) -> list[tuple[str, list[str]]]:
    """Columns that every capture compared, with how these write them, by name; the last spelling is the name."""
    captures = [low, *between]
    ignored = {folded(fold, name) for capture in between for name in capture.ignored}
    latest: dict[str, Column] = {folded(fold, c.name): c for capture in captures for c in capture.columns}
    return [
        (column.name, spellings(captures, fold, column.name))
        for key, column in sorted(latest.items())
        if key not in ignored
    ]


def sample(row: Row, columns: Sequence[tuple[str, Sequence[str]]]) -> dict[str, Any]:
    """A record of a net change: its id, what happened, and (before, after) by field where these differ."""
    before, after_ = (json.loads(row[side] or "{}") for side in ("old_value", "new_value"))
    found = {}
    for name, spelt in columns:
        old = next((before[s] for s in spelt if before.get(s) is not None), None)
        new = next((after_[s] for s in spelt if after_.get(s) is not None), None)
        if old != new:
            found[name] = {"before": old, "after": new}
    return {"record_id": row["record_id"], "change_type": row["kind"], "fields": found}


class _Sql:
    """The queries: the first old and the last new value of each record that changed at all."""

    def __init__(
        self,
        warehouse: Warehouse,
        trail: Trail,
        between: Sequence[Capture],
        columns: Sequence[tuple[str, Sequence[str]]],
    ):
        names = [spelt for _, own in columns for spelt in own]
        old, before = warehouse.values.json_fields("old_value", names, "batch_audit_old")
        new, after_ = warehouse.values.json_fields("new_value", names, "batch_audit_new")
        self._differs, place = [], 0
        for _, own in columns:
            sides = (", ".join([*side[place : place + len(own)], "null"]) for side in (before, after_))
            self._differs.append("({} is distinct from {})".format(*(f"coalesce({side})" for side in sides)))
            place += len(own)
        tables = (warehouse.table("audit_event"), warehouse.table("audit_payload"))
        self._start = (
            f"{changes_sql(between, trail.node, *tables, warehouse.literal)}, numbered as (select *, row_number() over"
            " (partition by record_id order by capture_place, seq) as first_place, row_number() over (partition by"
            " record_id order by capture_place desc, seq desc) as last_place from writes), ends as (select a.record_id,"
            " a.old_value,"
            " z.new_value, a.change_type = 'insert' as was_absent, z.change_type = 'delete' as is_absent,"
            " a.erased or z.erased as erased from numbered as a join numbered as z on z.record_id = a.record_id"
            " where a.first_place = 1 and z.last_place = 1),"
            f" parsed as (select *, {old} as batch_audit_old, {new} as batch_audit_new from ends), judged as (select *,"
            " case when was_absent and is_absent then 'nothing' when was_absent then 'insert' when is_absent"
            f" then 'delete' when erased then 'erased' when {' or '.join(self._differs) or 'false'} then 'update'"
            " else 'nothing' end as kind from parsed)"
        )

    def counts(self) -> str:
        """One row: records by kind, and updates by field (f_0, f_1, …)."""
        kinds = [
            f"count(case when kind = '{kind}' then 1 end) as {quoted}"
            for kind, quoted in (
                ("insert", '"insert"'), ("update", '"update"'), ("delete", '"delete"'), ("erased", "erased"),
            )
        ]  # fmt: skip
        fields = [
            f"count(case when kind = 'update' and {pair} then 1 end) as f_{place}"
            for place, pair in enumerate(self._differs)
        ]
        return f"{self._start} select {', '.join([*kinds, *fields])} from judged"

    def samples(self, limit: int) -> str:
        """The first records of each kind by record id."""
        return (
            f"{self._start} select record_id, kind, old_value, new_value from (select *, row_number() over"
            " (partition by kind order by record_id) as place from judged where kind in ('insert', 'update', 'delete'))"
            f" as s where place <= {int(limit)} order by kind, record_id"
        )
