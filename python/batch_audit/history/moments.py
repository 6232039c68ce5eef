"""Which capture a batch or a time means, and whether the captures after it tell all that happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import Capture, Trail, Uncaptured
from batch_audit.warehouses.base import Fold, Warehouse

BreakKind = Literal[
    "missing", "not_captured", "first_build", "other_key", "not_stored", "edited", "other_rows"
]


@dataclass(frozen=True)
class Break:
    """Why changes may be missing between a capture and the one before it: something that nobody saw.

    `capture` is the number of the capture after it, None after the last one. `occurred_at` is in microseconds UTC.
    """

    capture: int | None
    kind: BreakKind
    reason: str
    occurred_at: int


def utc(microseconds: int) -> str:
    """`2026-11-24 04:33:41 UTC`."""
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"


def at_time(trail: Trail, moment: int, said: str) -> Capture:
    """The last capture at or before `moment` (microseconds UTC). Raises ConfigurationError before the first one."""
    earlier = [capture for capture in trail.captures if capture.occurred_at <= moment]
    if not trail.captures:
        return trail.newest  # which says why there is none
    # What was backfilled has its own times, so a part of it may lie before the moment.
    begun = [c for c in trail.captures if c.backfilled and (c.first_at or 0) <= moment < c.occurred_at]
    if begun and not any(capture.number > begun[0].number for capture in earlier):
        return replace(begun[0], occurred_at=moment, until=moment)
    if earlier:
        return earlier[-1]
    first = trail.captures[0]
    if first.backfilled:
        raise ConfigurationError(
            f"{trail.name}: the first version in the snapshot's table begins at {utc(first.first_at or 0)},"
            f" and {said} is"
            " before it.\n  Nothing is known of its records then."
        )
    raise ConfigurationError(
        f"{trail.name}: history starts with capture {first.number} at {utc(first.occurred_at)}, and {said} is"
        " before it.\n  Nothing is known of its records then."
    )


def parse_time(text: str) -> int | None:
    """Microseconds UTC of an ISO 8601 time (UTC unless it says otherwise; a day is its beginning); None for others."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def after(warehouse: Warehouse, trail: Trail, wanted: str) -> Capture:
    """The capture that shows the relation after the batch, or at the time, that `wanted` names.

    `wanted` is a batch id, the beginning of one, or an ISO 8601 time. A batch that did not build the relation left it
    as the last capture before its end shows it. Raises ConfigurationError for what is neither, or names several.
    """
    batch = find_batch(warehouse, wanted)
    if batch is None:
        moment = parse_time(wanted)
        if moment is None:
            raise ConfigurationError(
                f"{wanted!r} is neither a batch nor a time: no batch begins so, and it is not ISO 8601 such as"
                " 2026-11-24T04:33:41Z.\n  `batch-audit status` lists the batches."
            )
        return _seen(trail, at_time(trail, moment, wanted), moment, wanted)
    end = end_of_batch(warehouse, batch)
    own = [capture for capture in trail.captures if capture.batch_id == batch]
    capture = own[-1] if own else at_time(trail, end, f"batch {batch}")
    return _seen(trail, capture, end, f"batch {batch}")


def _seen(trail: Trail, capture: Capture, moment: int, said: str) -> Capture:
    """The capture, if no build went by uncaptured between it and the moment that it is to show."""
    reason = _uncaptured_between(trail, capture.occurred_at, moment)
    if reason:
        raise ConfigurationError(
            f"{trail.name}: how it stood after {said} is not known: {reason}.\n"
            f"  The last state before that is capture {capture.number}, batch {capture.batch_id}."
        )
    return capture


def find_batch(warehouse: Warehouse, wanted: str) -> str | None:
    """The id of the batch that `wanted` is, or begins; None for none. Raises ConfigurationError for several."""
    beginning = warehouse.literal(wanted)
    rows = warehouse.query(
        f"select distinct batch_id from {warehouse.table('audit_segment')}"
        f" where left(batch_id, {len(wanted)}) = {beginning} order by batch_id"
    )
    found = [str(row["batch_id"]) for row in rows]
    if wanted in found:
        return wanted
    if len(found) > 1:
        raise ConfigurationError(
            f"{len(found)} batches begin with {wanted!r}: {', '.join(found[:5])}.\n  Give more of the id."
        )
    return found[0] if found else None


def end_of_batch(warehouse: Warehouse, batch: str) -> int:
    """When a batch last wrote something, in microseconds UTC."""
    rows = warehouse.query(
        f"select max(moment) as moment from (select max(occurred_at) as moment from {warehouse.table('audit_event')}"
        f" where batch_id = {warehouse.literal(batch)} and event_type <> 'record_write' union all"
        f" select max(opened_at) from {warehouse.table('audit_segment')} where batch_id = {warehouse.literal(batch)})"
        " as m"
    )
    return int(rows[0]["moment"])


def break_between(trail: Trail, low: Capture, high: Capture, *, to_present: bool = False) -> str | None:
    """Why the changes of the captures after `low` up to `high` do not tell all that happened; None if they do.

    `to_present` also asks for builds after `high`.
    """
    between = [capture for capture in trail.later(low, high) if capture.after is None]
    pairs = list(zip([low, *between], between, strict=False))
    ends = [
        (end, capture)
        for end in (low, high)
        for place, capture in enumerate(trail.captures)
        if capture.number == end.number and place != trail.place(end)
    ]
    # A capture that is gone looks like a build that asked for none: the numbers speak first.
    reasons = [
        _left_out(low) if low.until is not None else None,
        *(_gap_at(*pair) for pair in ends),
        *(_gap_at(*pair) for pair in pairs),
        _uncaptured_between(trail, low.occurred_at, None if to_present else high.occurred_at),
        *(_break_at(*pair, trail.fold) for pair in pairs),
    ]
    return next((reason for reason in reasons if reason), None)


def breaks(trail: Trail) -> list[Break]:
    """Every break of a trail after its first capture, in the order of the captures."""
    found: list[Break] = []
    for previous, capture in zip(trail.captures, trail.captures[1:], strict=False):
        gap = _gap_at(previous, capture)
        if gap:
            found.append(Break(capture.number, "missing", gap, capture.occurred_at))
        found += _unseen(trail, previous.occurred_at, capture)
        found += (
            Break(capture.number, kind, reason, capture.occurred_at)
            for kind, reason in _breaks_at(previous, capture, trail.fold)
        )
    return found + (_unseen(trail, trail.captures[-1].occurred_at, None) if trail.captures else [])


def _unseen(trail: Trail, low: int, capture: Capture | None) -> list[Break]:
    """The builds that went by uncaptured after `low` and before a capture, or since then."""
    return [
        Break(capture.number if capture else None, "not_captured", _build_said(build), build.occurred_at)
        for build in trail.uncaptured
        if build.occurred_at > low and (capture is None or build.occurred_at <= capture.occurred_at)
    ]


def unbroken(trail: Trail) -> tuple[Capture, ...]:
    """The newest captures that follow each other without a break, so that what they logged last still holds."""
    start = max(len(trail.captures) - 1, 0)
    while start > 0:
        previous, capture = trail.captures[start - 1 : start + 1]
        if break_between(trail, previous, capture):
            break
        start -= 1
    return trail.captures[start:]


def _gap_at(previous: Capture, capture: Capture) -> str | None:
    if capture.number == previous.number:
        if capture.segment != previous.segment or capture.part == previous.part:
            return f"two captures have the number {capture.number}"
        if capture.twice is not None:
            return (
                f"two batches of batch {capture.batch_id} ran beside each other, with the number {capture.number}, and"
                f" both changed the record {capture.twice}: which of them was the last is not known"
            )
        return None
    if capture.number != previous.number + 1:
        missing = _numbers(previous.number + 1, capture.number - 1)
        return f"{missing} missing from the store, before {_said(capture)}"
    return None


def _left_out(capture: Capture) -> str | None:
    """Why what was backfilled does not tell of all records; None if it does."""
    if not capture.not_stored:
        return None
    return (
        f"the backfill of batch {capture.batch_id} left {capture.not_stored} records out, because their"
        " first captured change"
        " does not say which version came before it"
    )


def _said(capture: Capture) -> str:
    return f"capture {capture.number} ({utc(capture.occurred_at)}, batch {capture.batch_id})"


def _break_at(previous: Capture, capture: Capture, fold: Fold) -> str | None:
    return next((reason for _, reason in _breaks_at(previous, capture, fold)), None)


def _breaks_at(previous: Capture, capture: Capture, fold: Fold) -> Iterator[tuple[BreakKind, str]]:
    at = _said(capture)
    if capture.mode not in ("changes", "backfill"):
        yield "first_build", f"{at} is a first build: what it replaced was not seen"
        return
    if [folded(fold, name) for name in capture.key] != [folded(fold, name) for name in previous.key]:
        yield "other_key", f"{at} has the key {', '.join(capture.key)} instead of {', '.join(previous.key)}"
    left_out = _left_out(capture) if capture.backfilled else None
    if left_out:
        yield "not_stored", left_out
    elif capture.not_stored:
        yield (
            "not_stored",
            f"{at} stored all but {capture.not_stored} of its changes, which audit_max_records left out",
        )
    if capture.found_edited:
        yield (
            "edited",
            f"{at} found that somebody had changed the relation since the capture before it, outside dbt",
        )
    if capture.rows_before != previous.rows_after and previous.backfilled:
        yield (
            "other_rows",
            _left_out(previous)
            or f"{at} found {capture.rows_before} valid records where the snapshot's versions tell of"
            f" {previous.rows_after}: versions have been removed from its table or changed",
        )
    elif capture.rows_before != previous.rows_after:
        yield (
            "other_rows",
            f"{at} found {capture.rows_before} rows where the capture before it had left {previous.rows_after}:"
            " the relation was changed in between without the audit",
        )


def _numbers(first: int, last: int) -> str:
    return f"capture {first} is" if first == last else f"captures {first} to {last} are"


def _uncaptured_between(trail: Trail, low: int, high: int | None) -> str | None:
    missed = [
        build
        for build in trail.uncaptured
        if build.occurred_at > low and (high is None or build.occurred_at <= high)
    ]
    if not missed:
        return None
    return _build_said(missed[0])


def _build_said(build: Uncaptured) -> str:
    return f"the build of batch {build.batch_id} ({utc(build.occurred_at)}) was not captured: {build.reason}"


def spellings(captures: Sequence[Capture], fold: Fold, name: str) -> list[str]:
    """How captures write a column whose name the engine compares as `fold` says (`exact` or `ascii`)."""
    wanted = folded(fold, name)
    found = dict.fromkeys(
        [name, *(c.name for k in captures for c in k.columns if folded(fold, c.name) == wanted)]
    )
    return list(found)


def folded(fold: Fold, name: str) -> str:
    """The name as the engine compares it: `ascii` ignores the case of ASCII letters, `exact` ignores nothing."""
    return name.encode().lower().decode() if fold == "ascii" else name
