"""A relation as it stood after a capture: what to read, and the one select that gives it. Nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import Capture, Trail
from batch_audit.history.moments import break_between, folded, spellings, utc
from batch_audit.warehouses.base import Column, Values, quote_identifier

Literal = Callable[[str], str]
FIELDS = "batch_audit_fields"
_EARLIEST = -(10**18)
"""Microseconds before all times that a capture may have."""


@dataclass(frozen=True)
class Replay:
    """How a relation is made again as it stood after `target`.

    `replayed` are the captures whose changes are read. Undoing, they are later than the target, and each record's first
    change gives its values; going forward they begin with the baseline, and the last change does. `present` are the
    columns of the relation as it is, None for going forward.
    """

    trail: Trail
    target: Capture
    replayed: tuple[Capture, ...]
    present: tuple[Column, ...] | None
    values: Values
    literal: Literal

    @property
    def undoes(self) -> bool:
        """Whether later changes are undone, instead of earlier ones made again."""
        return self.present is not None

    @property
    def ignored(self) -> list[str]:
        """Columns whose changes some of these captures did not look at: they hold the last value that was logged."""
        # The baseline stored all columns; what a later capture ignored may have changed with it.
        looked = self.replayed if self.undoes else self.replayed[1:]
        names = {folded(self.values.fold, name) for capture in looked for name in capture.ignored}
        return [c.name for c in self.target.columns if folded(self.values.fold, c.name) in names]

    @property
    def not_exact(self) -> dict[str, str]:
        """Columns whose values lose something on their way through the log, and what."""
        if not self.replayed:
            return {}
        found = {c.name: self.values.not_exact(c.type) for c in self.target.columns}
        return {name: reason for name, reason in found.items() if reason}


def plan_undo(
    trail: Trail, target: Capture, present: Sequence[Column], values: Values, literal: Literal
) -> Replay:
    """Undo the changes after `target` in the relation that has the columns `present`.

    Raises ConfigurationError where the log does not tell all that happened since.
    """
    newest = trail.newest
    reason = break_between(trail, target, newest, to_present=True)
    if trail.node.startswith("snapshot."):
        reason = "a snapshot's table holds all versions of its records, and its validity columns tell which was when"
    elif not present:
        reason = reason or f"the relation {newest.relation} is not there any more"
    elif not reason and columns_differ(values, present, newest.columns):
        reason = f"the relation {newest.relation} no longer has the columns that capture {newest.number} saw"
    if reason:
        raise ConfigurationError(
            f"{trail.name}: cannot undo what happened after capture {target.number} ({utc(target.occurred_at)}):"
            f" {reason}.\n  Only a stored baseline before it can give that state: --from-baseline."
        )
    return Replay(trail, target, trail.later(target), tuple(present), values, literal)


def plan_forward(trail: Trail, target: Capture, values: Values, literal: Literal) -> Replay:
    """Make the changes since the last stored baseline again, up to `target`.

    Raises ConfigurationError without a baseline, or where the log does not tell all that happened since.
    """
    earlier = trail.until(target)
    # What was backfilled begins with no record at all, so its first part is where to start.
    baselines = [*(c for c in earlier[:1] if c.backfilled), *(c for c in earlier if c.mode == "baseline")]
    if not baselines and trail.node.startswith("snapshot."):
        raise ConfigurationError(
            f"{trail.name}: a snapshot's table holds all versions of its records, so later changes cannot"
            " be undone in it,"
            f" and no capture up to capture {target.number} ({utc(target.occurred_at)}) stored all records.\n"
            f"  `batch-audit backfill {trail.name}` tells what its versions say of the time before it was captured."
        )
    if not baselines:
        raise ConfigurationError(
            f"{trail.name}: no baseline was stored at or before capture {target.number} ({utc(target.occurred_at)}).\n"
            "  Leave out --from-baseline to undo later changes; meta: {audit_baseline: records} stores one at the next"
            " first build."
        )
    start = baselines[-1]
    left_out = f"it stored all but {start.not_stored} of its records" if start.not_stored else None
    reason = left_out or break_between(trail, start, target)
    if reason:
        undo = (
            ""
            if trail.node.startswith("snapshot.")
            else "\n  Leave out --from-baseline to undo later changes instead."
        )
        raise ConfigurationError(
            f"{trail.name}: cannot go from the {start.mode} (capture {start.number},"
            f" {utc(start.occurred_at)}) to capture"
            f" {target.number}: {reason}.{undo}"
        )
    made = (start, *trail.later(start, target)) if trail.place(start) != trail.place(target) else (target,)
    return Replay(trail, target, made, None, values, literal)


def columns_differ(values: Values, present: Sequence[Column], captured: Sequence[Column]) -> bool:
    """Whether a relation has other columns than a capture saw: other names, types or another order."""
    return [(folded(values.fold, c.name), c.type) for c in present] != [
        (folded(values.fold, c.name), c.type) for c in captured
    ]


def captures_sql(captures: Sequence[Capture], literal: Literal) -> str:
    """Rows of (segment, part, place, later_than, up_to) in the order of the captures, for a common table expression."""
    rows = [
        f"({literal(c.segment)}, {literal(c.part)}, {place},"
        f" {_EARLIEST if c.after is None else c.after}, {-_EARLIEST if c.until is None else c.until})"
        for place, c in enumerate(captures)
    ]
    if rows:
        return "values " + ", ".join(rows)
    return "select cast(null as text), cast(null as text), 0, 0, 0 where false"


def changes_sql(captures: Sequence[Capture], node: str, event: str, payload: str, literal: Literal) -> str:
    """A `with` of `captures` and `writes`: the record changes of some captures with their payloads, if these are there.

    `event` and `payload` are the quoted tables.
    """
    months = ", ".join(sorted({literal(c.batch_month) for c in captures})) or "null"
    segments = ", ".join(sorted({literal(c.segment) for c in captures})) or "null"
    in_part = any(c.after is not None or c.until is not None for c in captures)
    within = " and e.occurred_at > k.later_than and e.occurred_at <= k.up_to" if in_part else ""
    return (
        f"with captures(segment, part, capture_place, later_than, up_to) as ({captures_sql(captures, literal)}),"
        " writes as (select e.record_id, e.change_type, k.capture_place, e.seq, p.event_id is null as erased,"
        f" p.old_value, p.new_value from {event} as e join captures as k on k.segment = e.segment and k.part = e.part"
        f" left join {payload} as p on p.event_id = e.event_id and p.batch_month = e.batch_month"
        f" and p.batch_month in ({months}) and p.segment in ({segments})"
        f" where e.event_type = 'record_write' and e.target = {literal(node)} and e.batch_month in ({months})"
        f" and e.segment in ({segments}){within})"
    )


def edges_sql(order: str) -> str:
    """The first (`asc`) or last (`desc`) change of each record among `writes`, as the text of a subquery."""
    return (
        f"select * from (select *, row_number() over (partition by record_id order by capture_place {order},"
        f" seq {order}) as place from writes) as w where place = 1"
    )


def record_id_sql(values: Values, key: Sequence[str], columns: Sequence[Column], alias: str) -> str:
    """The record id of a row of a relation (docs/reference/store.md, "Record id")."""
    by_name = {folded(values.fold, c.name): c for c in columns}
    parts = []
    for name in key:
        column = by_name[folded(values.fold, name)]
        text = values.canonical_text(f"{alias}.{quote_identifier(column.name)}", column.type)
        parts.append(f"replace(replace({text}, '~', '~0'), '|', '~1')")
    return " || '|' || ".join(parts)


def select_sql(replay: Replay, event: str, payload: str) -> str:
    """The relation as it stood: a complete select, its columns in their order and of their types."""
    start = changes_sql(replay.replayed, replay.trail.node, event, payload, replay.literal)
    logged, typed = _logged(replay)
    if replay.present is None:
        return (
            f"{start}, edges as ({edges_sql('desc')}), logged as (select {logged} as {FIELDS} from edges"
            f" where change_type <> 'delete') select {', '.join(typed)} from logged"
        )
    newest = replay.trail.newest
    key = record_id_sql(replay.values, newest.key, replay.present, "t")
    return (
        f"{start}, edges as ({edges_sql('asc')}), logged as (select {logged} as {FIELDS} from edges"
        f" where change_type <> 'insert') select {', '.join(_kept(replay))} from {newest.relation} as t"
        f" where not exists (select 1 from edges where edges.record_id = {key})"
        f" union all select {', '.join(typed)} from logged"
    )


def _logged(replay: Replay) -> tuple[str, list[str]]:
    """What to read of a logged record, and the target's columns made of it."""
    written = [replay.target, *replay.replayed]
    names: list[str] = []
    places: list[list[int]] = []
    for column in replay.target.columns:
        spelt = spellings(written, replay.values.fold, column.name)
        places.append(list(range(len(names), len(names) + len(spelt))))
        names.extend(spelt)
    fields, members = replay.values.json_fields("old_value" if replay.undoes else "new_value", names, FIELDS)
    typed = []
    for column, own in zip(replay.target.columns, places, strict=True):
        text = members[own[0]] if len(own) == 1 else f"coalesce({', '.join(members[i] for i in own)})"
        value = replay.values.from_canonical(text, column.type)
        typed.append(f"cast({value} as {column.type}) as {quote_identifier(column.name)}")
    return fields, typed


def _kept(replay: Replay) -> list[str]:
    """The target's columns of a row that no later capture changed."""
    present = {folded(replay.values.fold, c.name): c for c in replay.present or ()}
    kept = []
    for column in replay.target.columns:
        now = present.get(folded(replay.values.fold, column.name))
        name = quote_identifier(column.name)
        if now is None:
            kept.append(f"cast(null as {column.type}) as {name}")
            continue
        value = f"t.{quote_identifier(now.name)}"
        if now.type != column.type:
            value = replay.values.from_canonical(replay.values.canonical_text(value, now.type), column.type)
            value = f"cast({value} as {column.type})"
        kept.append(f"{value} as {name}")
    return kept


def check_sql(replay: Replay, event: str, payload: str) -> str:
    """Counts of what forbids the replay: changes (all of them), erased, and where the relation is not as logged.

    Undoing: `lost` records should be there and are not, `unlogged` records should be gone and are there, `edited`
    ones have other values than the last change left.
    """
    start = changes_sql(replay.replayed, replay.trail.node, event, payload, replay.literal)
    needed = "insert" if replay.undoes else "delete"
    order = "asc" if replay.undoes else "desc"
    counts = (
        f"{start}, edges as ({edges_sql(order)}), counted as (select (select count(*) from writes) as changes,"
        f" (select count(*) from edges where erased and change_type <> '{needed}') as erased)"
    )
    if replay.present is None:
        return f"{counts} select changes, erased, 0 as lost, 0 as unlogged, 0 as edited from counted"
    fields, unequal = unequal_sql(replay, replay.present)
    newest = replay.trail.newest
    key = record_id_sql(replay.values, newest.key, replay.present, "t")
    return (
        f"{counts}, lasts as (select record_id as id, change_type, erased, {fields} as {FIELDS} from"
        f" ({edges_sql('desc')}) as l), matched as (select l.change_type, l.erased, {key} as there,"
        f" ({unequal}) as differs from lasts as l left join {newest.relation} as t"
        f" on l.id = {key}) select changes, counted.erased as erased,"
        " count(case when change_type <> 'delete' and there is null then 1 end) as lost,"
        " count(case when change_type = 'delete' and there is not null then 1 end) as unlogged,"
        " count(case when change_type <> 'delete' and there is not null and not matched.erased and differs then 1 end)"
        " as edited from counted left join matched on true group by changes, counted.erased"
    )


def compared_now(replay: Replay, present: Sequence[Column]) -> list[Column]:
    """The present columns that every replayed capture compared."""
    ignored = {folded(replay.values.fold, n) for c in replay.replayed for n in c.ignored}
    return [c for c in present if folded(replay.values.fold, c.name) not in ignored]


def unequal_sql(replay: Replay, present: Sequence[Column]) -> tuple[str, str]:
    """What to read of the last logged values, and whether a row (alias t) differs from them in a compared column."""
    compared = compared_now(replay, present)
    names: list[str] = []
    places: list[range] = []
    for column in compared:
        spelt = spellings(replay.replayed, replay.values.fold, column.name)
        places.append(range(len(names), len(names) + len(spelt)))
        names.extend(spelt)
    fields, members = replay.values.json_fields("new_value", names, FIELDS)
    # Only rows that are matched are turned into text.
    differs = [
        f"{replay.values.canonical_text(f't.{quote_identifier(column.name)}', column.type)}"
        f" is distinct from coalesce({', '.join([*(members[i] for i in own), 'null'])})"
        for column, own in zip(compared, places, strict=True)
    ]
    return fields, " or ".join(differs) or "false"
