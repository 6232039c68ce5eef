"""Folders of digests: read whole, one file for each digest, none is ever overwritten."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batch_audit.digest.canonical import LARGEST
from batch_audit.digest.envelope import Signed, read_file
from batch_audit.durable import PRIVATE_FILE, locked, write_durably
from batch_audit.errors import UnreadableError

_LOCK = ".batch-audit.lock"
_NUMBERED = re.compile(r"digest-(\d{8,18})\.json")


@dataclass(frozen=True)
class Given:
    """A file that was given as a digest: what it holds, or why it cannot be read."""

    name: str
    signed: Signed | None = None
    problem: UnreadableError | None = None


def file_name(sequence: int) -> str:
    """The name of a digest's file; names sort in the digests' order."""
    return f"digest-{sequence:08d}.json"


def files_of(path: Path) -> list[Path]:
    """The digests' files at a path: the file itself, or every .json file of a folder. Raises UnreadableError."""
    try:
        if path.is_dir():
            return sorted(child for child in path.iterdir() if child.suffix == ".json")
        if path.exists():
            return [path]
    except OSError as error:
        raise UnreadableError(f"The digests in {path} cannot be read: {error.strerror or error}.") from error
    raise UnreadableError(f"There is no file or folder {path}: no digest was checked.")


def newest_of(folder: Path, down_to: int | None) -> list[Given]:
    """The numbered digests from the newest down to a number (None: the newest alone), and files of other names.

    A folder may hold the digests of years; what follows the newest need not read them all. Raises UnreadableError.
    """
    files = files_of(folder)
    numbered = {path: int(match[1]) for path in files if (match := _NUMBERED.fullmatch(path.name))}
    newest = max(numbered.values(), default=0)
    lowest = newest if down_to is None else min(newest, down_to)
    return [read_digest(path) for path in files if numbered.get(path, lowest) >= lowest]


def read_digest(path: Path) -> Given:
    """One digest's file, of which at most `LARGEST` bytes are read."""
    try:
        if path.exists() and not path.is_file():
            raise UnreadableError("it is not a file")
        with path.open("rb") as file:
            return Given(path.name, read_file(file.read(LARGEST + 2)))
    except OSError as error:
        return Given(path.name, problem=UnreadableError(error.strerror or str(error)))
    except UnreadableError as error:
        return Given(path.name, problem=error)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make the folder if it is missing, and keep other writers of digests out of it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        with locked(descriptor):
            yield
    finally:
        os.close(descriptor)


def write_digest(path: Path, signed: Signed) -> None:
    """Write a digest, for its owner alone. Call it under the folder's lock. Raises OSError, also if it is there."""
    if path.exists():
        raise FileExistsError(f"{path} is there already, and a digest is never overwritten")
    write_durably(path, signed.file())
