"""Splits dbt's log into its invocations and reads their events, from the text that dbt writes by default or from JSON.

The text carries no invocation id but a header above each invocation. If two dbt processes write one log at once,
their lines cannot be told apart; the slice then says `shared`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

_HEADER = re.compile(rb"^={30} (\d\d:\d\d:\d\d\.\d{6}) \| ([0-9a-f-]{36}) ={30}\r?$", re.MULTILINE)
_LINE = re.compile(r"^(\d\d:\d\d:\d\d\.\d{6}) \[(\w+) *\](?: \[(.{10})\]:)? ?(.*)$", re.DOTALL)
_EVENT_START = re.compile(r"^(?:\x1b\[0m)?(?=\d\d:\d\d:\d\d\.\d{6} \[\w+ *\])", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ENDED = re.compile(r"^Command `.+` (?:succeeded|failed) at ")
_HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True)
class LogEvent:
    """One event: `at` in microseconds since 1970-01-01 UTC, `message` without colours, JSON's `data`."""

    at: int
    level: str
    thread: str | None
    message: str
    name: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LogSlice:
    """The events of one invocation in the order of the log."""

    invocation_id: str
    events: tuple[LogEvent, ...]
    shared: bool = False


def invocation_ids(content: bytes) -> list[str]:
    """The invocations that a log mentions, without reading its events (cheap)."""
    if _is_json(content):
        found = re.findall(rb'"invocation_id": "([0-9a-f-]{36})"', content)
    else:
        found = [match[2] for match in _HEADER.finditer(content)]
    return list(dict.fromkeys(item.decode("ascii") for item in found))


def read_log(content: bytes, started_at: int) -> list[LogSlice]:
    """The invocations in a piece of dbt's log that begins at `started_at` (microseconds since 1970-01-01 UTC).

    Text shows the time of day alone; days are counted on from `started_at`.
    """
    return _read_json(content) if _is_json(content) else _read_text(content, started_at)


def _is_json(content: bytes) -> bool:
    return content.lstrip()[:1] == b"{"


def _read_text(content: bytes, started_at: int) -> list[LogSlice]:
    headers = list(_HEADER.finditer(content))
    ends = [*(header.start() for header in headers), len(content)][1:]
    slices = []
    clock = _Clock(started_at)
    for header, end in zip(headers, ends, strict=True):
        text = content[header.end() : end].decode("utf-8", "replace")
        events = tuple(_text_events(text, clock))
        slices.append(LogSlice(header[2].decode("ascii"), events))
    # Two ends under one header: the lines of another process lie among them.
    shared = any(sum(bool(_ENDED.match(event.message)) for event in part.events) > 1 for part in slices)
    return [LogSlice(part.invocation_id, part.events, True) for part in slices] if shared else slices


def _text_events(text: str, clock: _Clock) -> Iterator[LogEvent]:
    starts = [match.end() for match in _EVENT_START.finditer(text)]
    for start, end in pairwise([*starts, len(text)]):
        found = _LINE.match(text[start:end])
        if found is not None:
            message = _COLOUR.sub("", found[4]).rstrip()
            at = clock.at(found[1])
            if at is not None:
                yield LogEvent(at, found[2], found[3] and found[3].strip(), message)


class _Clock:
    """Turns times of day, in the order in which they were logged, into moments."""

    def __init__(self, started_at: int):
        self._last = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=started_at)

    def at(self, time_of_day: str) -> int | None:
        """Microseconds since 1970-01-01 UTC; the moment of that time of day which is nearest to the last one.

        None for what is no time of day: a message may begin a line with anything.
        """
        # fromisoformat reads a time of day ten times faster than strptime, and a log has 100,000s of them.
        try:
            moment = datetime.combine(self._last.date(), time.fromisoformat(time_of_day), UTC)
        except ValueError:
            return None
        if moment < self._last - _HALF_A_DAY:
            moment += timedelta(days=1)
        elif moment > self._last + _HALF_A_DAY:
            moment -= timedelta(days=1)
        self._last = max(self._last, moment)
        return microseconds(moment)


def _read_json(content: bytes) -> list[LogSlice]:
    events: dict[str, list[LogEvent]] = {}
    for line in content.splitlines():
        try:
            entry = json.loads(line)
            info = entry["info"]
            event = LogEvent(
                parse_time(info["ts"]) or 0, info["level"], (info.get("thread") or "")[:10].strip() or None,
                _COLOUR.sub("", info["msg"]).rstrip(), info.get("name"), entry.get("data") or {},
            )  # fmt: skip
            events.setdefault(info["invocation_id"], []).append(event)
        except (ValueError, KeyError, TypeError):
            continue  # a line that the kill cut in two
    return [LogSlice(invocation_id, tuple(found)) for invocation_id, found in events.items()]


def parse_time(text: object) -> int | None:
    """An ISO time of dbt's, UTC where it names no zone, in microseconds since 1970-01-01 UTC; None if it is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, in integers: a float loses them."""
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
