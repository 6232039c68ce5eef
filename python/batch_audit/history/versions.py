"""Every version of one record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from batch_audit.history.captures import Capture, Trail, read_trail
from batch_audit.history.moments import breaks, utc
from batch_audit.history.names import parse_key
from batch_audit.statuses import of_marks
from batch_audit.warehouses.base import Warehouse

Text = Mapping[str, str | None]
_EVENT = (
    "segment", "part", "seq", "event_id", "batch_id", "batch_month", "invocation_id", "occurred_at", "actor",
    "change_type", "changed_fields",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The invocation that made a version, as it told at its start; `batch_status` is that of its batch.

    `actor_source` says how the actor was learned: `ci`, `os` or `given`. None is unknown.
    """

    job: str | None = None
    actor_source: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    batch_status: str | None = None


@dataclass(frozen=True)
class Version:
    """One change of a record. `fields` are those that it changed, as (name, before, after) canonical texts.

    `change_type` is that of the event, or `baseline`: the record was there when its history began. `occurred_at` is in
    microseconds UTC. The values of an `erased` version are gone. A `backfilled` one comes from the snapshot's own
    versions: nobody saw it happen, so who did it is not known.
    """

    capture_no: int
    batch_id: str
    invocation_id: str
    occurred_at: int
    actor: str | None
    run: Run
    change_type: str
    fields: tuple[tuple[str, str | None, str | None], ...]
    before: Text | None
    after: Text | None
    erased: bool
    event_id: str
    backfilled: bool = False


@dataclass(frozen=True)
class RecordHistory:
    """The versions of a record in the order of the captures."""

    trail: Trail
    record_id: str
    versions: tuple[Version, ...]

    @property
    def start(self) -> str:
        """Where the history of the relation starts, as a sentence."""
        starts = [capture for capture in self.trail.captures if capture.mode != "changes"]
        first = starts[-1] if starts else self.trail.captures[0]
        if first.backfilled:
            begins = utc(self.trail.captures[0].first_at or 0)
            return (
                f"History of {self.trail.name} goes back to {begins}, its snapshot's first version; what"
                " lies before the"
                " first capture was backfilled from the snapshot."
            )
        place = f"capture {first.number} ({utc(first.occurred_at)}, {first.mode})"
        told = f"History of {self.trail.name} starts with {place}"
        if first.mode == "first_build":
            return f"{told}: a record that has not changed since has no version, and its values before are not known."
        if first.mode == "baseline":
            return f"{told}: every record of that time has a version."
        return f"{told}: what was before is not in the store any more."

    @property
    def unseen(self) -> list[str]:
        """Builds whose changes were not captured, as sentences."""
        return [
            f"Batch {build.batch_id} ({utc(build.occurred_at)}) built it and was not captured: {build.reason}."
            for build in self.trail.uncaptured
        ]

    def as_json(self) -> dict[str, Any]:
        """The history for machines: times as ISO-like UTC texts, values as canonical texts."""
        return {
            "node": self.trail.node,
            "record_id": self.record_id,
            "key": list(self.trail.newest.key),
            "history": self.start,
            "not_captured": self.unseen,
            "gaps": [{"before_capture": gap.capture, "reason": gap.reason} for gap in breaks(self.trail)],
            "versions": [
                {
                    "capture_no": version.capture_no,
                    "batch_id": version.batch_id,
                    "batch_status": version.run.batch_status,
                    "job": version.run.job,
                    "invocation_id": version.invocation_id,
                    "changed_at": utc(version.occurred_at),
                    "actor": version.actor,
                    "actor_source": version.run.actor_source,
                    "git_commit": version.run.git_commit,
                    "git_dirty": version.run.git_dirty,
                    "change_type": version.change_type,
                    "changed_fields": [name for name, _, _ in version.fields],
                    "before": version.before,
                    "after": version.after,
                    "values_erased": version.erased,
                    "backfilled": version.backfilled,
                    "event_id": version.event_id,
                }
                for version in self.versions
            ],
        }


def read_history(
    warehouse: Warehouse, model: str, key: str | None, named: Sequence[str] = ()
) -> RecordHistory:
    """The history of the record with a key (see `parse_key`). Raises ConfigurationError for models without captures."""
    trail = read_trail(warehouse, model)
    record = parse_key(trail.newest.key, key, named)
    events = warehouse.find(
        "audit_event",
        _EVENT,
        f"event_type = 'record_write' and {warehouse.of_record(trail.node, record)}",
    )
    payloads = _payloads(warehouse, events)
    runs = _runs(warehouse, events)
    captures = {(capture.segment, capture.part): capture for capture in trail.captures}
    return RecordHistory(trail, record, arrange(events, payloads, captures, runs))


def arrange(
    events: Sequence[Mapping[str, Any]],
    payloads: Mapping[str, tuple[str | None, str | None]],
    captures: Mapping[tuple[str, str], Capture],
    runs: Mapping[str, Run],
) -> tuple[Version, ...]:
    """Versions in the order of their captures.

    `payloads` has (old_value, new_value) by event id, `captures` are known by (segment, part), `runs` by invocation.
    A change whose capture is missing comes first, with the number 0.
    """
    versions = []
    for event in sorted(events, key=lambda event: int(event["seq"])):
        capture = captures.get((event["segment"], event["part"]))
        old, new = payloads.get(event["event_id"], (None, None))
        before, after = _values(old), _values(new)
        fields = _changed(event["changed_fields"], before, after, capture.ignored if capture else ())
        run = runs.get(event["invocation_id"], Run())
        versions.append(
            Version(
                capture.number if capture else 0,
                event["batch_id"],
                event["invocation_id"],
                event["occurred_at"],
                event["actor"],
                # The run that wrote it down did not make the change.
                replace(run, git_commit=None, git_dirty=None) if capture and capture.backfilled else run,
                "baseline" if capture and capture.mode == "baseline" else event["change_type"],
                fields,
                before,
                after,
                event["event_id"] not in payloads,
                event["event_id"],
                capture is not None and capture.backfilled,
            )
        )
    return tuple(sorted(versions, key=lambda version: (version.capture_no, version.occurred_at)))


def _values(text: str | None) -> Text | None:
    return None if text is None else dict(json.loads(text))


def _changed(
    listed: str | None, before: Text | None, after: Text | None, ignored: Sequence[str]
) -> tuple[tuple[str, str | None, str | None], ...]:
    """An update's changed fields; of an insert or a delete all that have a value and count."""
    old, new = before or {}, after or {}
    if listed is not None:
        return tuple((name, old.get(name), new.get(name)) for name in json.loads(listed))
    values = {**old, **new}
    return tuple(
        (name, old.get(name), new.get(name))
        for name, value in values.items()
        if value is not None and name not in ignored
    )


def _payloads(
    warehouse: Warehouse, events: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[str | None, str | None]]:
    """By event id. Found by place, by which the rows are laid out: an id would have to be looked for everywhere."""
    places = [(event["batch_month"], event["segment"], event["part"], event["seq"]) for event in events]
    rows = warehouse.at_places("audit_payload", ("event_id", "old_value", "new_value"), places)
    return {row["event_id"]: (row["old_value"], row["new_value"]) for row in rows}


def _runs(warehouse: Warehouse, events: Sequence[Mapping[str, Any]]) -> dict[str, Run]:
    """What is known of each invocation that made one of the events."""
    batches = ", ".join(sorted({warehouse.literal(event["batch_id"]) for event in events}))
    if not batches:
        return {}
    marks = warehouse.query(
        f"select batch_id, invocation_id, event_type, metadata from {warehouse.table('audit_event')}"
        f" where batch_id in ({batches}) and event_type in ('batch_start', 'batch_end') order by occurred_at"
    )
    of_batch: dict[str, list[dict[str, Any]]] = {}
    for mark in marks:
        of_batch.setdefault(mark["batch_id"], []).append(mark)
    statuses = {batch: of_marks(own) for batch, own in of_batch.items()}
    runs = {}
    for mark in marks:
        if mark["event_type"] == "batch_start":
            told = json.loads(mark["metadata"] or "{}")
            runs[mark["invocation_id"]] = Run(
                told.get("job"), told.get("actor_source"), told.get("git_commit"), told.get("git_dirty"),
                statuses[mark["batch_id"]],
            )  # fmt: skip
    return runs
