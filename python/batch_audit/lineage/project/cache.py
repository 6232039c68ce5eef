"""Answers of earlier runs, in one SQLite file beside dbt's artifacts. It may be deleted at any time."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from batch_audit.lineage.project.task import Answer

FILE = "batch_audit_lineage.sqlite"
_KEEP_SECONDS = 30 * 86_400
_RELATIONS = "create table if not exists relation (name text primary key, columns text not null)"
_DDL = (
    "create table if not exists answer (key text primary key, answer text not null, kept_at integer not null)"
)


class Cache:
    """Answers by the key of their task. A file that cannot be read or written is as good as none."""

    def __init__(self, target: Path | None) -> None:
        self._path = None if target is None else target / FILE

    def find(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The known answers among those keys."""
        if self._path is None or not self._path.exists() or not keys:
            return {}
        found = {}
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path, timeout=2)) as database:
            for key in keys:
                row = database.execute("select answer from answer where key = ?", (key,)).fetchone()
                with suppress(ValueError, TypeError):
                    if row:
                        found[key] = Answer.from_json(row[0])
        return found

    def keep(self, answers: Mapping[str, Answer]) -> None:
        """Add answers, and forget those that are older than a month."""
        if self._path is None or not answers:
            return
        now = int(time.time())
        rows = [(key, answer.as_json(), now) for key, answer in answers.items()]
        try:
            self._write(rows, now)
        except sqlite3.DatabaseError:
            # Cut short or not ours: a cache is worth nothing that a fresh one is not.
            with suppress(OSError, sqlite3.Error):
                self._path.unlink()
                self._write(rows, now)

    def columns(self) -> dict[str, list[str]]:
        """The columns that the warehouse's relations had at the last run."""
        if self._path is None or not self._path.exists():
            return {}
        with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(self._path, timeout=2)) as database:
            return {
                name: json.loads(text)
                for name, text in database.execute("select name, columns from relation")
            }
        return {}

    def keep_columns(self, columns: Mapping[str, Sequence[str]]) -> None:
        """Remember the columns of relations, for a run that cannot ask the warehouse while dbt holds it."""
        if self._path is None or dict(columns) == self.columns():
            return
        rows = [(name, json.dumps(list(names))) for name, names in columns.items()]
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path, timeout=2)) as database, database:
            database.execute(_RELATIONS)
            database.execute("delete from relation")
            database.executemany("insert into relation values (?, ?)", rows)

    def _write(self, rows: Sequence[tuple[str, str, int]], now: int) -> None:
        assert self._path is not None  # noqa: S101 (see keep)
        with closing(sqlite3.connect(self._path, timeout=2)) as database, database:
            database.execute(_DDL)
            database.executemany("insert or replace into answer values (?, ?, ?)", rows)
            database.execute("delete from answer where kept_at < ?", (now - _KEEP_SECONDS,))
