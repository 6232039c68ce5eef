"""The dbt package as a folder: which files belong to it, and whether two copies are the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

PARTS = ("dbt_project.yml", "macros", "models")


def package_files(folder: Path) -> list[str]:
    """The package's files below `folder`, as sorted relative POSIX paths; hidden files are not part of it."""
    files = [
        path for part in PARTS for path in (folder / part, *(folder / part).rglob("*")) if path.is_file()
    ]
    relative = [path.relative_to(folder) for path in files]
    return sorted(path.as_posix() for path in relative if not any(_is_foreign(name) for name in path.parts))


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a copy; line ends do not count, because git may rewrite them on checkout."""
    return {
        name: hashlib.sha256((folder / name).read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        for name in package_files(folder)
    }


def differing_files(copy: Path, original: Path) -> list[str]:
    """The files that are missing, added or other in `copy`, sorted; empty for equal copies."""
    ours, theirs = file_hashes(copy), file_hashes(original)
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def _is_foreign(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"
