"""Where dbt's log stands when a run begins, and what was written to it since then, across rotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LogMark:
    """A place in dbt's log: the file that was current, by its inode, and its size in bytes.

    `inode` is None when there was no log yet.
    """

    path: str
    inode: int | None
    size: int

    def as_json(self) -> dict[str, Any]:
        """The mark as plain values for the spool."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> LogMark | None:
        """The inverse of `as_json`."""
        return None if value is None else cls(**value)


def mark(path: Path) -> LogMark:
    """The end of the log as it is now."""
    try:
        found = path.stat()
    except OSError:
        return LogMark(str(path), None, 0)
    return LogMark(str(path), found.st_ino, found.st_size)


def read_since(start: LogMark) -> tuple[bytes, bool]:
    """What was logged after the mark, and whether it is all of it.

    dbt rotates its log at 10 MB to dbt.log.1 … dbt.log.5, so the marked file may have moved, or be gone.
    """
    path = Path(start.path)
    parts: list[bytes] = []
    for file in (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, 6))):
        try:
            with file.open("rb") as opened:
                marked = opened.fileno() >= 0 and file.stat().st_ino == start.inode
                opened.seek(start.size if marked else 0)
                parts.append(opened.read())
        except OSError:
            break
        if marked:
            return b"".join(reversed(parts)), True
        if start.inode is None and file is path and not path.with_name(f"{path.name}.1").exists():
            return parts[0], True
    return b"".join(reversed(parts)), start.inode is None
