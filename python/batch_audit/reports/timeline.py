"""Where nodes and tests lie in time: positions for the drawings, in percent of the batch's span."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from batch_audit.reports.reader import Row

_MIN_WIDTH = 0.35
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Bar:
    """One bar: its left edge and width in percent, and what it stands for (ok, error, skipped)."""

    x: float
    width: float
    outcome: str
    title: str


@dataclass(frozen=True)
class Span:
    """The time that a drawing shows. `seconds` is never 0."""

    start: datetime
    seconds: float

    def bar(self, row: Row, outcome: str, title: str) -> Bar | None:
        """The bar of a row with started_at and ended_at, None when either is unknown. Wide enough to be seen."""
        began, ended = row["started_at"], row["ended_at"]
        if began is None or ended is None:
            return None
        left = min(100 - _MIN_WIDTH, max(0.0, (began - self.start).total_seconds() / self.seconds * 100))
        width = max(_MIN_WIDTH, (ended - began).total_seconds() / self.seconds * 100)
        return Bar(round(left, 2), round(min(width, 100 - left), 2), outcome, title)

    def ticks(self, wanted: int = 4) -> list[tuple[float, float]]:
        """Round moments on the axis: (seconds, percent), at most about `wanted` after zero."""
        step = _round_step(self.seconds / wanted)
        moments = [step * index for index in range(int(self.seconds / step) + 1)]
        return [(moment, round(moment / self.seconds * 100, 2)) for moment in moments]


def span_of(start: datetime, rows: Sequence[Row]) -> Span:
    """The span from `start` to the last end among rows that have started_at and ended_at."""
    begun = [row["started_at"] for row in rows if row["started_at"] is not None]
    ended = [row["ended_at"] for row in rows if row["ended_at"] is not None]
    first = min([start, *begun])
    return Span(first, max((max([first, *ended]) - first).total_seconds(), 0.001))


def lanes(rows: Sequence[Row], span: Span) -> list[list[Bar]]:
    """The rows packed into as few lanes as their overlaps allow, in the order in which they started."""
    free: list[datetime] = []
    packed: list[list[Bar]] = []
    timed = [row for row in rows if row["started_at"] is not None and row["ended_at"] is not None]
    for row in sorted(timed, key=lambda row: (row["started_at"], row["ended_at"], row["node_id"])):
        bar = span.bar(row, str(row["outcome"]), str(row["node_name"]))
        lane = next((index for index, end in enumerate(free) if end <= row["started_at"]), len(free))
        if lane == len(free):
            free.append(row["ended_at"])
            packed.append([])
        free[lane] = row["ended_at"]
        if bar is not None:
            packed[lane].append(bar)
    return packed


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    magnitude = 10.0 ** math.floor(math.log10(least))
    return next((magnitude * step for step in _STEPS if magnitude * step >= least), magnitude * 10)
