"""The status of a batch from those of its invocations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

BY_SEVERITY: Sequence[str] = ("incomplete", "error", "interrupted", "success", "nothing_selected")
"""What is known least first, then what went worst: the order of the view fct_audit_batches."""


def worst(statuses: Sequence[str | None]) -> str:
    """The worst status; `running` when no invocation has ended."""
    return next((status for status in BY_SEVERITY if status in statuses), "running")


def of_marks(marks: Sequence[Mapping[str, Any]]) -> str:
    """The status of a batch from its batch_start and batch_end events; `running` while an invocation has no end."""
    started = {mark["invocation_id"] for mark in marks if mark["event_type"] == "batch_start"}
    ends = [mark for mark in marks if mark["event_type"] == "batch_end"]
    if started - {mark["invocation_id"] for mark in ends}:
        return "running"
    return worst([json.loads(mark["metadata"]).get("status") for mark in ends])
