"""What a check found: the one shape that `doctor` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail", "not checked"]


@dataclass(frozen=True)
class Finding:
    """One verdict about one object, why it was given, and what to do about it (empty when nothing).

    `check` is filled in by the runner of the checks.
    """

    verdict: Verdict
    object: str
    why: str
    remedy: str = ""
    check: str = ""


def some(names: list[str], limit: int = 3) -> str:
    """Names for a sentence: all of a few, else the first ones and how many more there are."""
    ordered = sorted(names)
    more = len(ordered) - limit
    return ", ".join(ordered[:limit]) + (f" and {more} more" if more > 0 else "")
