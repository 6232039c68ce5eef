"""The status of a batch from those of its invocations."""

from __future__ import annotations

from collections.abc import Sequence

_BY_SEVERITY: Sequence[str] = ("incomplete", "error", "interrupted", "success", "nothing_selected")


def worst(statuses: Sequence[str | None]) -> str:
    """The worst status; `running` when no invocation has ended."""
    return next((status for status in _BY_SEVERITY if status in statuses), "running")
