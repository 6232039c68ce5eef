"""Where the code of a batch lies, for those who want to read it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from batch_audit.openlineage.facts import Repository

_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SHARED = ("http", "https", "ssh", "git")


def repository_of(
    folder: Path, commit: str | None, branch: str | None, dirty: bool | None
) -> tuple[Repository | None, str]:
    """The repository that the folder is a clone of, and the folder's path in it, which ends with a slash or is empty.

    None unless it has an address that others can reach and holds the commit. With uncommitted changes, or when
    nobody knows whether there were any, no commit is named: it would not be the code that ran.
    """
    url = public_url(_git(folder, "remote", "get-url", "origin"))
    if (
        url is None
        or not _COMMIT.fullmatch(commit or "")
        or _git(folder, "cat-file", "-t", str(commit)) != "commit"
    ):
        return None, ""
    prefix = _git(folder, "rev-parse", "--show-prefix") or ""
    return Repository(url, commit if dirty is False else None, branch), prefix


def public_url(remote: str | None) -> str | None:
    """The address of a remote as a URL without user and password; None for a path of this machine.

    `host:path` is git's short form of ssh (git's manual, GIT URLS).
    """
    if not remote:
        return None
    short = _SCP.fullmatch(remote)
    url = urlsplit(f"ssh://{short[1]}/{short[2].lstrip('/')}" if short else remote)
    if url.scheme not in _SHARED or not url.hostname:
        return None
    return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], quote(url.path, safe="/%~"), "", ""))


def _git(folder: Path, *arguments: str, timeout: float = 3.0) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 (fixed arguments; git is found on the user's own PATH)
            ["git", "-C", str(folder), *arguments], env=environment, stdin=subprocess.DEVNULL,  # noqa: S607
            capture_output=True, timeout=timeout, text=True, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
