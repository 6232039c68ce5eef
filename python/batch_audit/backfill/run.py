"""Backfills a project's snapshots: what dbt says of them, the store, one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batch_audit.backfill.snapshots import Snapshot, select_snapshots
from batch_audit.backfill.write import Backfilled, write_backfill
from batch_audit.errors import WarehouseError
from batch_audit.runner.batch import Options, start_of
from batch_audit.runner.facts import Start
from batch_audit.runner.store_writer import opened
from batch_audit.settings import Settings
from batch_audit.setup.context import parse_project
from batch_audit.setup.views import build_views

JOB = "backfill"


@dataclass(frozen=True)
class Outcome:
    """What became of each snapshot, and the batch in which it was written; None if there was nothing to write."""

    batch_id: str | None
    snapshots: tuple[Backfilled, ...]


def backfill(settings: Settings, names: Sequence[str]) -> Outcome:
    """Backfill the snapshots with these names, without names those that ask for capture.

    Raises ConfigurationError, WarehouseError or StoreMissingError; then nothing was written.
    """
    chosen = select_snapshots(parse_project(settings), names)
    start = start_of(settings, Options(("batch-audit", "backfill", *names), JOB), None, {})
    done = _written(settings, chosen, start)
    wrote = any(item.changes for item in done)
    return Outcome(start.batch_id if wrote else None, tuple(done))


def _written(settings: Settings, chosen: Sequence[Snapshot], start: Start) -> list[Backfilled]:
    try:
        with opened(settings) as warehouse:
            return write_backfill(warehouse, chosen, start)
    except WarehouseError:
        # On Postgres the month's partitions may be missing; dbt makes them.
        if build_views(settings, start.batch_month) is not None:
            raise
    with opened(settings) as warehouse:
        return write_backfill(warehouse, chosen, start)
