"""Decides what the store lacks about a run: facts and the store's state in, rows out. Reads and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from uuid import NAMESPACE_URL, uuid5

from batch_audit.ledger.rows import Row, Segment
from batch_audit.runner.ending import Ending, ending_of, ending_without_dbt
from batch_audit.runner.facts import Invocation, Outcome, Start
from batch_audit.runner.fill import Counts, fill_events


@dataclass(frozen=True)
class StoredSegment:
    """A segment of the store that has to do with the run."""

    segment: str
    batch_id: str
    batch_month: str
    invocation_id: str | None
    writer: str
    sealed: bool


@dataclass(frozen=True)
class StoreState:
    """What the store holds about a batch before anything is filled in.

    `ends` are the statuses of the invocations that have a batch_end; `recorded` the (invocation, node) pairs that have
    a checkpoint or a validation; `captured` what each node's captures counted. `held` are the segments that somebody
    is still writing to, with who it is: a warehouse goes on with a statement whose client was killed.
    """

    segments: tuple[StoredSegment, ...] = ()
    starts: frozenset[str] = frozenset()
    ends: Mapping[str, str] = field(default_factory=dict)
    recorded: frozenset[tuple[str, str]] = frozenset()
    captured: Mapping[tuple[str, str], Counts] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fill:
    """One segment of the runner's own, with its events in order, and how the invocation ended."""

    segment: Segment
    events: tuple[Row, ...]
    ending: Ending


@dataclass(frozen=True)
class Plan:
    """Segments to write, segments to seal (the written ones included), and what has to stay open, with the reason."""

    fills: tuple[Fill, ...]
    seal: tuple[str, ...]
    left_open: Mapping[str, str]
    invocations: tuple[str, ...]
    hooks_wrote: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing of this run is left to do."""
        return not self.left_open


def plan(
    start: Start, outcome: Outcome, state: StoreState, *, now_us: int, clean: Callable[[str], str]
) -> Plan:
    """What to write and to seal about a run that has ended.

    `clean` is the warehouse's `storable`, applied to every text before it is hashed. An invocation that has a
    batch_end needs nothing. A segment is sealed only if its dbt process cannot write any more: it said that it
    ended, or the batch is this run's alone and no process of it lives.
    """
    own = own_invocations(start, outcome, state)
    writing = {
        invocation.invocation_id
        for invocation in own
        if invocation.invocation_id in state.held
        or (outcome.late and not invocation.ended and invocation.invocation_id not in state.ends)
    }
    fills = [
        _fill(start, outcome, state, invocation, now_us, clean)
        for invocation in own
        if invocation.invocation_id not in state.ends and invocation.invocation_id not in writing
    ]
    fills += _without_dbt(start, outcome, state, own, fills, now_us, clean)
    closed = {*state.ends, *(fill.segment.invocation_id for fill in fills)}
    seal, left_open = _to_seal(start, outcome, state, {item.invocation_id for item in own} - writing, closed)
    return Plan(
        tuple(fills),
        (*seal, *(fill.segment.segment for fill in fills)),
        left_open,
        tuple(item.invocation_id for item in own),
        any(item.writer == "hooks" and item.batch_id == start.batch_id for item in state.segments),
    )


def own_invocations(start: Start, outcome: Outcome, state: StoreState) -> tuple[Invocation, ...]:
    """The invocations that this run answers for: those seen on disk that change or test data, and those in the store.

    An invocation that the store knows under another batch is somebody else's. In a joined batch others may be at
    work, so the store's invocations count only if they were seen on disk, too.
    """
    stored = {
        item.invocation_id: item for item in state.segments if item.writer == "hooks" and item.invocation_id
    }
    strangers = {name for name, item in stored.items() if item.batch_id != start.batch_id}
    ours = {name for name, item in stored.items() if item.batch_id == start.batch_id}
    seen = [
        item
        for item in outcome.invocations
        if item.invocation_id not in strangers and (item.audited or item.invocation_id in ours)
    ]
    known = {item.invocation_id for item in seen}
    unseen = (
        [] if start.joined else [Invocation(name) for name in stored if name in ours and name not in known]
    )
    return (*seen, *unseen)


def _fill(
    start: Start,
    outcome: Outcome,
    state: StoreState,
    invocation: Invocation,
    now_us: int,
    clean: Callable[[str], str],
) -> Fill:
    opened = invocation.invocation_id in state.starts
    ending = ending_of(invocation, outcome, opened)
    segment = Segment.open(
        "runner",
        batch_id=start.batch_id,
        batch_month=start.batch_month,
        invocation_id=invocation.invocation_id,
        now_us=now_us,
    )
    recorded = {node for owner, node in state.recorded if owner == invocation.invocation_id}
    captured = {
        node: counts for (owner, node), counts in state.captured.items() if owner == invocation.invocation_id
    }
    events = fill_events(segment, start, invocation, ending, opened, recorded, captured, clean)
    return Fill(segment, events, ending)


def _without_dbt(
    start: Start, outcome: Outcome, state: StoreState, own: tuple[Invocation, ...], fills: list[Fill], now_us: int,
    clean: Callable[[str], str],
) -> list[Fill]:  # fmt: skip
    """The record of the command itself, where no dbt invocation stands for it or explains that it failed."""
    bad = any(status not in ("success", "nothing_selected") for status in _statuses(state, own, fills))
    explained = bool(own) and (outcome.status == 0 or bad)
    if explained or outcome.late or state.held:
        return []
    # The same run always gets the same segment, so that a second try after a crash finds the first one's.
    name = str(uuid5(NAMESPACE_URL, f"{start.batch_id}/{start.started_at}/{start.host}/{start.pid}"))
    if any(item.segment == name for item in state.segments):
        return []
    segment = Segment.open(
        "runner", batch_id=start.batch_id, batch_month=start.batch_month, invocation_id=None, now_us=now_us
    )
    segment = replace(segment, segment=name)
    ending = ending_without_dbt(outcome, bool(own))
    nothing = Invocation("", started_at=start.started_at, ended_at=outcome.ended_at)
    return [Fill(segment, fill_events(segment, start, nothing, ending, False, set(), {}, clean), ending)]


def _statuses(state: StoreState, own: tuple[Invocation, ...], fills: list[Fill]) -> list[str]:
    ended = [state.ends[item.invocation_id] for item in own if item.invocation_id in state.ends]
    return ended + [fill.ending.status for fill in fills]


def _to_seal(
    start: Start, outcome: Outcome, state: StoreState, ended: set[str], closed: set[str | None]
) -> tuple[list[str], dict[str, str]]:
    """The batch's unsealed segments: those that nobody can write to any more, and the others with the reason."""
    seal: list[str] = []
    left_open: dict[str, str] = {}
    for item in state.segments:
        if item.sealed or item.batch_id != start.batch_id:
            continue
        if item.segment in state.held:
            left_open[item.segment] = f"{state.held[item.segment]} is still writing to it"
        elif item.invocation_id in closed or item.writer != "hooks" or item.invocation_id in ended:
            seal.append(item.segment)
        elif outcome.late:
            pids = ", ".join(map(str, outcome.late))
            left_open[item.segment] = f"process {pids} of this batch is still running"
        # else: in a joined batch, another runner answers for it
    return seal, left_open
