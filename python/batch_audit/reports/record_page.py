"""Turns the history of a record into what its page shows: which entries, in which words. No markup and no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from batch_audit.history.captures import Capture
from batch_audit.history.moments import Break, breaks, folded
from batch_audit.history.versions import RecordHistory, Version
from batch_audit.reports.records import Field, fields_of
from batch_audit.reports.text import counted, record_key, utc
from batch_audit.reports.values import Missing, Shown, shown, shown_pair

VERSIONS_SHOWN = 500
REASONS_SHOWN = 5
FULL_TEXT = 1_000_000
"""Characters of long values that the page keeps whole, the newest first."""

_WORDS = {"insert": "Inserted", "update": "Updated", "delete": "Deleted", "baseline": "In the baseline"}
_SOURCES = {
    "ci": "named by the CI provider",
    "os": "name of the operating system user",
    "given": "as given on the command line",
}


@dataclass(frozen=True)
class Line:
    """One field as it is shown. `pair` tells that both sides are; else only `after` is the value."""

    name: str
    before: Shown
    after: Shown
    pair: bool
    ignored: bool


@dataclass(frozen=True)
class Entry:
    """A version on the timeline. `number` counts the versions of the record from 1; `at` is naive UTC."""

    number: int
    word: str
    at: datetime
    version: Version
    learned: str
    lines: Sequence[Line]
    others: Sequence[Line]


@dataclass(frozen=True)
class Gap:
    """What happened between two entries and was not seen: the first reasons, and how many more there are."""

    reasons: Sequence[str]
    more: int


@dataclass(frozen=True)
class Present:
    """What the log says of the record now: `status` is `there`, `gone` or `unknown`, and `sentence` why."""

    status: str
    sentence: str
    lines: Sequence[Line] = ()


@dataclass(frozen=True)
class RecordPage:
    """What the template needs. `timeline` is newest first; `left_out` older versions are not on it."""

    key: Sequence[tuple[str, str | None]]
    headline: str
    sentence: str
    findings: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str, str]]
    present: Present
    timeline: Sequence[Entry | Gap]
    left_out: int
    start: str
    ignored: Sequence[str]


def build_record_page(history: RecordHistory) -> RecordPage:
    """The page of a record; the same history gives the same page. The trail must have a capture."""
    trail, versions = history.trail, history.versions
    gaps = [gap for gap in breaks(trail) if not _stored_after_all(gap, versions)]
    room = _Room(FULL_TEXT)
    present = _present(history, gaps, room)
    shown_versions = versions[-VERSIONS_SHOWN:]
    values = record_key(history.record_id)
    names = trail.newest.key if len(values) == len(trail.newest.key) else [""] * len(values)
    return RecordPage(
        key=list(zip(names, values, strict=True)),
        headline={"there": "In the relation", "gone": "Not in the relation", "unknown": "Not known"}[
            present.status
        ],
        sentence=_sentence(versions),
        findings=_findings(versions, gaps),
        facts=_facts(history),
        present=present,
        timeline=_timeline(history, shown_versions, gaps, room),
        left_out=len(versions) - len(shown_versions),
        start=_start(history),
        ignored=trail.newest.ignored,
    )


def record_file_name(history: RecordHistory, suffix: str) -> str:
    """A file name that tells the model and not the record, whose key may be somebody's name."""
    node = re.sub(r"[^A-Za-z0-9_-]", "_", history.trail.name)[:80]
    return f"record-{node}-{hashlib.sha256(history.record_id.encode()).hexdigest()[:12]}.{suffix}"


class _Room:
    """How many characters of long values may still be kept whole."""

    def __init__(self, left: int):
        self._left = left

    def line(self, field: Field, *, pair: bool, one: str = "after") -> Line:
        """A field as it is shown: both sides, or only the one named."""
        full = self._takes(field.before if pair or one == "before" else None) & self._takes(
            field.after if pair or one == "after" else None
        )
        ignored = field.state == "ignored"
        if pair:
            return Line(field.name, *shown_pair(field.before, field.after, full=full), True, ignored)
        return Line(field.name, shown(None), shown(getattr(field, one), full=full), False, ignored)

    def _takes(self, value: object) -> bool:
        self._left -= len(value) if isinstance(value, str) and len(value) > 400 else 0
        return self._left >= 0


def _stored_after_all(gap: Break, versions: Sequence[Version]) -> bool:
    """A capture that left changes out has this record's all the same: a record changes once in a capture."""
    return gap.kind == "not_stored" and any(version.capture_no == gap.capture for version in versions)


def _timeline(
    history: RecordHistory, versions: Sequence[Version], gaps: Sequence[Break], room: _Room
) -> list[Entry | Gap]:
    """Versions and gaps, newest first; a gap is older than the versions of the capture after it."""
    ignored = {capture.number: capture.ignored for capture in history.trail.captures}
    number = len(history.versions)
    timeline: list[Entry | Gap] = []
    waiting = list(gaps)
    for version in reversed(versions):
        newer = [gap for gap in waiting if gap.capture is None or gap.capture > version.capture_no]
        waiting = waiting[: len(waiting) - len(newer)]
        timeline += _gap(newer)
        timeline.append(_entry(number, version, ignored.get(version.capture_no, ()), room))
        number -= 1
    return timeline if number else [*timeline, *_gap(waiting)]


def _gap(gaps: Sequence[Break]) -> Iterator[Gap]:
    if gaps:
        reasons = [gap.reason[:1].upper() + gap.reason[1:] for gap in reversed(gaps)]
        yield Gap(reasons[:REASONS_SHOWN], max(0, len(reasons) - REASONS_SHOWN))


def _entry(number: int, version: Version, ignored: Sequence[str], room: _Room) -> Entry:
    update = version.change_type == "update"
    changed = [name for name, _, _ in version.fields] if update else None
    fields = fields_of(version.before or {}, version.after or {}, changed, ignored, version.erased)
    one = "before" if version.change_type == "delete" else "after"
    return Entry(
        number=number,
        word=_WORDS.get(version.change_type, version.change_type),
        at=_moment(version.occurred_at),
        version=version,
        learned=learned(version.run.actor_source),
        lines=[room.line(field, pair=update, one=one) for field in fields if field.state == "changed"],
        others=[
            room.line(field, pair=update and field.state == "ignored", one=one)
            for field in fields
            if field.state != "changed"
        ],
    )


def _present(history: RecordHistory, gaps: Sequence[Break], room: _Room) -> Present:
    newest, versions = history.trail.newest, history.versions
    left = f"As capture {newest.number} ({_when(newest)}, batch {newest.batch_id}) left the relation"
    last = versions[-1] if versions else None
    since = [gap for gap in gaps if gap.capture is None or gap.capture > (last.capture_no if last else 0)]
    doubt = (
        f" {_were(len(since), 'gap')} in what is known since then, so it may have changed unseen."
        if since
        else ""
    )
    if last is None:
        return _never_changed(history, bool(since))
    if last.change_type == "delete":
        return Present("gone", f"{left}: deleted by {_by(last)}, and not there again.{doubt}")
    told = f"{left}; last changed by {_by(last)}."
    if last.erased:
        return Present("there", f"{told} Its values have been erased from the store.{doubt}")
    return Present("there", told + doubt, _values_now(history, last, room))


def _by(version: Version) -> str:
    """What made a version, for a sentence."""
    if version.backfilled:
        return "what was backfilled from the snapshot"
    return f"capture {version.capture_no}" if version.capture_no else "a change whose capture is missing"


def _never_changed(history: RecordHistory, gaps: bool) -> Present:
    starts = [capture for capture in history.trail.captures if capture.mode != "changes"]
    if starts and starts[-1].mode == "baseline" and not gaps:
        return Present(
            "gone",
            f"The baseline of capture {starts[-1].number} has every record of that time and not this one,"
            " and no capture since then saw it come.",
        )
    return Present(
        "unknown",
        "No change of it has been recorded. It may be there unchanged, or may never have been there: the log cannot"
        " tell; the relation itself can.",
    )


def _values_now(history: RecordHistory, last: Version, room: _Room) -> list[Line]:
    """The values after the last change, by the columns that the relation had at its newest capture."""
    fold, newest = history.trail.fold, history.trail.newest
    after = {folded(fold, name): value for name, value in (last.after or {}).items()}
    ignored = {folded(fold, name) for name in newest.ignored}
    lines = []
    for column in newest.columns:
        name = folded(fold, column.name)
        value = after.get(name, Missing.ABSENT)
        state = "ignored" if name in ignored else "same"
        lines.append(room.line(Field(column.name, None, value, state), pair=False))  # type: ignore[arg-type]
    return lines


def _sentence(versions: Sequence[Version]) -> str:
    if not versions:
        return "No version is known."
    kinds = [version.change_type for version in versions]
    said = ", ".join(
        counted(kinds.count(kind), noun)
        for kind, noun in (("baseline", "baseline"), ("insert", "insert"), ("update", "update"), ("delete", "delete"))
        if kind in kinds
    )  # fmt: skip
    first, last = utc(_moment(versions[0].occurred_at)), utc(_moment(versions[-1].occurred_at))
    times = first if first == last else f"{first} to {last}"
    return f"{counted(len(versions), 'version')}, {times}: {said}."


def _findings(versions: Sequence[Version], gaps: Sequence[Break]) -> list[tuple[str, str]]:
    """What a reader should look at first: (severity, text)."""
    erased = sum(version.erased for version in versions)
    dirty = sum(bool(version.run.git_dirty) for version in versions)
    backfilled = sum(version.backfilled for version in versions)
    nobody = sum(version.actor is None and not version.backfilled for version in versions)
    found = [
        (len(gaps), f"{counted(len(gaps), 'gap')} in what is known"),
        (erased, f"The values of {counted(erased, 'version')} have been erased"),
        (dirty, f"{counted(dirty, 'version')} made by code that was not committed"),
        (backfilled, f"{counted(backfilled, 'version')} backfilled: nobody saw what made them"),
        (nobody, f"Nobody said who made {counted(nobody, 'version')}"),
    ]
    return [("warn", text) for number, text in found if number]


def _facts(history: RecordHistory) -> list[tuple[str, str, str]]:
    """What identifies the record and its history: (name, value, note)."""
    trail = history.trail
    first, newest = trail.captures[0], trail.newest
    batches = {version.batch_id for version in history.versions}
    return [
        ("Relation", newest.relation, trail.node),
        ("Record id", history.record_id, "key: " + ", ".join(newest.key)),
        ("Versions", f"{len(history.versions):,}", f"from {counted(len(batches), 'batch', 'batches')}"),
        (
            "History starts",
            utc(_moment(first.first_at or first.occurred_at)),
            f"capture {first.number}, {_mode(first)}",
        ),
        ("Last looked at", _when(newest), f"capture {newest.number}, batch {newest.batch_id}"),
        ("Captures", f"{len(trail.captures):,}", "each compared the relation with what was there before it"),
    ]


def _start(history: RecordHistory) -> str:
    """What lies before the first entry, as a sentence."""
    first = history.trail.captures[0]
    unseen = sum(build.occurred_at <= first.occurred_at for build in history.trail.uncaptured)
    said = f"Capture {first.number} ({_when(first)}, batch {first.batch_id}) is the first that the store has"
    what = {
        "first_build": "a first build, which counted the records and stored none of them: a record that has not changed"
        " since has no version.",
        "baseline": "a baseline, which stored every record of that time.",
        "backfill": "backfilled from the versions that the snapshot itself had, and no capture saw them.",
    }.get(first.mode, "what was before is not in the store any more.")
    before = (
        f" {counted(unseen, 'earlier build')} {'was' if unseen == 1 else 'were'} not captured."
        if unseen
        else ""
    )
    return f"{said}: {what} Nothing is known of what came before it.{before}"


def learned(source: str | None) -> str:
    """How the actor of a run was learned, for people."""
    return "not known how it was learned" if source is None else _SOURCES.get(source, source)


def _mode(capture: Capture) -> str:
    return {
        "first_build": "a first build: counted, no record stored",
        "baseline": "a baseline: every record stored",
        "backfill": "backfilled from the snapshot",
    }.get(capture.mode, "what was before it is not in the store")


def _were(number: int, noun: str) -> str:
    return f"There {'is' if number == 1 else 'are'} {counted(number, noun)}"


def _when(capture: Capture) -> str:
    return utc(_moment(capture.occurred_at))


def _moment(microseconds: int) -> datetime:
    """Naive UTC, as the reports have it, and exact to the microsecond."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest, tzinfo=None)
