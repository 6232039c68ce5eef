"""Start records on disk: they outlive a crash, and leave only after their batch is committed and sealed.

A record is one JSON file, `<batch>.<8 hex digits>.json`, owned by the process that holds the lock on the file of
the same name with `.lock`. The kernel lets go of the lock when that process dies, however it dies.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from batch_audit.durable import PRIVATE_FILE, write_durably
from batch_audit.errors import ConfigurationError
from batch_audit.runner.facts import Outcome, Start, as_json, outcome_from_json

_VERSION = 1
CONNECTION = ("project_dir", "profiles_dir", "profile", "target", "vars", "audit_schema")
"""The settings that say which store a run writes to."""

_PRIVATE_FOLDER = 0o700


@dataclass
class Record:
    """One spooled run: how it started, its store, where dbt's log stood, how it ended (None: not known).

    `artifacts` is the folder of dbt's artifacts.
    """

    path: Path
    start: Start
    connection: dict[str, str | None]
    log_mark: dict[str, Any] | None
    outcome: Outcome | None
    _lock: IO[bytes]
    artifacts: str | None = None

    def save(self) -> None:
        """Write the record so that either the old or the new content survives a crash."""
        content = {
            "version": _VERSION,
            "start": as_json(self.start),
            "connection": self.connection,
            "log_mark": self.log_mark,
            "artifacts": self.artifacts,
            "outcome": None if self.outcome is None else as_json(self.outcome),
        }
        text = json.dumps(content, ensure_ascii=False, indent=1)
        write_durably(self.path, text.encode("utf-8", "surrogateescape"))

    def remove(self) -> None:
        """The batch is committed and sealed: forget it."""
        self.path.unlink(missing_ok=True)
        self.release(forget=True)

    def release(self, forget: bool = False) -> None:
        """Let another process take the record over."""
        if forget:
            _lock_file(self.path).unlink(missing_ok=True)
        self._lock.close()


@dataclass(frozen=True)
class Rejected:
    """A record that could not be read, and where it was put."""

    path: Path
    reason: str


def begin(
    folder: Path,
    start: Start,
    connection: dict[str, str | None],
    log_mark: dict[str, Any] | None,
    artifacts: str | None = None,
) -> Record:
    """Spool the start of a run, on disk before this returns. `connection` are the settings that reach its store.

    Raises ConfigurationError if it cannot be written: a run without a start record does not start.
    """
    name = f"{re.sub(r'[^A-Za-z0-9-]', '_', start.batch_id)[:80]}.{uuid4().hex[:8]}.json"
    try:
        lock = _locked(folder / name)
        if lock is None:
            raise FileExistsError(f"{folder / name} is locked")
        record = Record(folder / name, start, connection, log_mark, None, lock, artifacts)
        record.save()
    except OSError as error:
        raise ConfigurationError(
            f"The start of the batch cannot be recorded in {folder}: {error}.\n"
            "  Nothing was run. Make the folder writable, or give another one with BATCH_AUDIT_STATE_DIR."
        ) from error
    return record


def left_over(folder: Path, set_aside: bool = True) -> tuple[list[Record], list[Rejected]]:
    """The records whose process is gone, oldest first, now ours; and those that cannot be read, now set aside.

    Without `set_aside` the latter stay where they are.
    """
    records: list[Record] = []
    rejected: list[Rejected] = []
    for path in sorted(folder.glob("*.json")):
        lock = _locked(path)
        if lock is None or not path.exists():
            continue
        try:
            records.append(_read(path, lock))
        except (OSError, KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            rejected.append(Rejected(_set_aside(path) if set_aside else path, reason))
            lock.close()
    return sorted(records, key=lambda record: record.start.started_at), rejected


def waiting(folder: Path) -> int:
    """How many runs are spooled and not yet in the store, the running ones included."""
    return len(list(folder.glob("*.json")))


def _read(path: Path, lock: IO[bytes]) -> Record:
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["version"] != _VERSION:
        raise ValueError(f"its format is version {content['version']}, known is {_VERSION}")
    outcome = content["outcome"]
    return Record(
        path,
        Start(**content["start"]),
        {name: content["connection"].get(name) for name in CONNECTION},
        content["log_mark"],
        None if outcome is None else outcome_from_json(outcome),
        lock,
        content.get("artifacts"),
    )


def _set_aside(path: Path) -> Path:
    folder = path.parent / "rejected"
    folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    path.replace(folder / path.name)
    _lock_file(path).unlink(missing_ok=True)
    return folder / path.name


def _lock_file(path: Path) -> Path:
    return path.with_suffix(".lock")


def _locked(path: Path) -> IO[bytes] | None:
    """The lock of a record, or None while a living process holds it. Children do not inherit it (PEP 446)."""
    import fcntl

    lock = os.fdopen(os.open(_lock_file(path), os.O_RDWR | os.O_CREAT, PRIVATE_FILE), "wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
