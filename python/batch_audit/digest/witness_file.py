"""The witness as a file: locked, appended to, never changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from batch_audit.digest.witness import LONGEST_LINE, Line, read_line
from batch_audit.durable import PRIVATE_FILE, locked, sync_folder
from batch_audit.errors import UnreadableError, VerificationFailed


@dataclass
class OpenWitness:
    """A witness that is ours for as long as it is open: its newest line, None for a new one."""

    path: Path
    tail: Line | None
    _descriptor: int

    def append(self, lines: Sequence[Line]) -> None:
        """Append lines, on disk before this returns; all of them or none. Raises OSError."""
        if not lines:
            return
        content = b"".join(line.text() + b"\n" for line in lines)
        size = os.fstat(self._descriptor).st_size
        try:
            written = os.write(self._descriptor, content)
            if written != len(content):
                raise OSError(f"only {written} of {len(content)} bytes could be written to {self.path}")
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise
        self.tail = lines[-1]


@contextmanager
def opened_witness(path: Path) -> Iterator[OpenWitness]:
    """Open a witness to append to it, a new one if there is none. Raises OSError, VerificationFailed for a bad tail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    try:
        with locked(descriptor):
            if new:
                sync_folder(path.parent)
            yield OpenWitness(path, _tail(path, descriptor), descriptor)
    finally:
        os.close(descriptor)


def _tail(path: Path, descriptor: int) -> Line | None:
    size = os.fstat(descriptor).st_size
    length = min(size, 2 * (LONGEST_LINE + 1))
    text = os.pread(descriptor, length, size - length)
    if not text:
        return None
    try:
        if not text.endswith(b"\n"):
            raise UnreadableError("it is cut: it does not end with a line break")
        return read_line(text[:-1].rsplit(b"\n", 1)[-1])
    except UnreadableError as error:
        raise VerificationFailed(
            f"No digest was written: nothing can follow the newest line of the witness {path}: {error}.\n"
            "  If a run was killed while it wrote that line, remove the line; the next digest is remembered with it."
        ) from error
