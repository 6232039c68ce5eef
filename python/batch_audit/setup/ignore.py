"""Keeps the command's own state folder out of version control."""

from __future__ import annotations

from pathlib import Path

from batch_audit.setup.yaml_edit import newline_of

STATE_FOLDER = ".batch_audit"
_SAME = tuple(
    f"{before}{STATE_FOLDER}{after}" for before in ("", "/", "**/") for after in ("", "/", "/*", "/**")
)


def add_ignore(text: str) -> str:
    """The text of a .gitignore with a line for the state folder; the same text when one is there."""
    if is_ignored(text):
        return text
    newline = newline_of(text)
    return text + (newline if text and not text.endswith("\n") else "") + f"{STATE_FOLDER}/{newline}"


def is_ignored(text: str) -> bool:
    """Whether a line of a .gitignore already names the state folder."""
    return any(line.strip() in _SAME for line in text.splitlines())


def repository_root(project_dir: Path) -> Path | None:
    """The folder of the git repository that holds the project, None outside of one."""
    return next(
        (folder for folder in (project_dir, *project_dir.parents) if (folder / ".git").exists()), None
    )
