"""Captures that did not see each other, in one order: batches of a microbatch model that DuckDB ran beside each other.

Such batches may share a number. Each counted its rows and carried its fingerprint forward from what it saw, which was
without the others. What they left one after the other is what the first of the run left, and what each of the rest
changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batch_audit.history.captures import Capture


def beside(captures: Sequence[Capture], node: str) -> list[Capture]:
    """Those of the captures of a node that share their number with others of the same run, and no others."""
    return [
        capture
        for group in _groups(captures, node)
        for capture in group
        if sum(other.number == capture.number for other in group) > 1
    ]


def in_one_order(
    captures: Sequence[Capture], node: str, twice: Collection[tuple[str, int, str]]
) -> list[Capture]:
    """The captures of a node, in their order, with the rows and fingerprints that they left one after the other.

    `twice` are (segment, number, record id) of records that two captures of that number changed.
    """
    changed: dict[tuple[str, str], Capture] = {}
    for group in _groups(captures, node):
        changed |= {(capture.segment, capture.part): capture for capture in _followed(group)}
    records = {(segment, number): record for segment, number, record in twice}
    return [
        replace(
            changed.get((capture.segment, capture.part), capture),
            twice=records.get((capture.segment, capture.number)),
        )
        for capture in captures
    ]


def _groups(captures: Sequence[Capture], node: str) -> list[list[Capture]]:
    """The captures of each run in which batches took the same number."""
    runs: dict[str, list[Capture]] = {}
    for capture in captures:
        if capture.part.startswith(f"{node}@"):
            runs.setdefault(capture.segment, []).append(capture)
    return [run for run in runs.values() if len({capture.number for capture in run}) < len(run)]


def _followed(run: Sequence[Capture]) -> list[Capture]:
    followed = [run[0]]
    for capture in run[1:]:
        before = followed[-1]
        if (
            capture.rows_before is None
        ):  # It saw no previous table, and nobody knows what the others brought to that.
            followed.append(replace(capture, fingerprint_before=None, fingerprint=None))
            continue
        known = before.fingerprint, capture.fingerprint_before, capture.fingerprint
        followed.append(
            replace(
                capture,
                rows_before=before.rows_after,
                rows_after=before.rows_after + capture.rows_after - capture.rows_before,
                fingerprint_before=before.fingerprint,
                fingerprint=None if None in known else _sum(*known),  # type: ignore[arg-type]
            )
        )
    return followed


def _sum(start: str, before: str, after: str) -> str:
    return str(int(start) + int(after) - int(before))
