"""The status of a batch from those of its invocations."""

from __future__ import annotations

from collections.abc import Sequence

BY_SEVERITY: Sequence[str] = ("incomplete", "error", "interrupted", "success", "nothing_selected")
"""What is known least first, then what went worst: the order of the view fct_audit_batches."""


def worst(statuses: Sequence[str | None]) -> str:
    """The worst status; `running` when no invocation has ended."""
    return next((status for status in BY_SEVERITY if status in statuses), "running")
