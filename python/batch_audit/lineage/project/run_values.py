"""Replaces what differs from run to run in compiled SQL, so that unchanged code keeps its hash and its texts."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_MICROSECONDS = re.compile(r"\b\d{16}\b")
_MONTH = "'{}'"


@dataclass(frozen=True)
class RunValues:
    """What belongs to one run: ids, month, and the time from `since` to `until` (microseconds, UTC)."""

    ids: Collection[str] = ()
    month: str | None = None
    since: int = 0
    until: int = 0

    def replaced(self, sql: str, every_time: bool = False) -> str:
        """The SQL with the run's own values replaced; `every_time`: all moments (a microbatch has its window in it)."""
        for value in self.ids:
            sql = sql.replace(value, "<id of the run>")
        if self.month:
            sql = sql.replace(_MONTH.format(self.month), _MONTH.format("<month of the run>"))
        sql = _TIME.sub(
            lambda match: "<time of the run>" if every_time or self._ours(match[0]) else match[0], sql
        )
        return _MICROSECONDS.sub(
            lambda match: "0" if self.since <= int(match[0]) <= self.until else match[0], sql
        )

    def _ours(self, text: str) -> bool:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return False
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return self.since <= moment.timestamp() * 1_000_000 <= self.until
