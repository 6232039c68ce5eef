"""`batch-audit as-of`: a relation as it stood after a batch or at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batch_audit.cli import busy, common_options, machines, people
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.history.as_of import AsOf


@click.command()
@click.argument("model")
@click.argument("moment", metavar="BATCH|TIME")
@click.option("--into", required=True, help="Relation to write: name or schema.name, taken as written.")
@click.option("--from-baseline", is_flag=True, help="Go forward from a stored baseline instead.")
@click.option("--replace", is_flag=True, help="Replace the relation if it exists.")
@common_options
def command(
    settings: Settings, *, model: str, moment: str, into: str, from_baseline: bool, replace: bool
) -> None:
    """Write a relation as it stood after a batch or at a time.

    Undoes the later changes in the relation as it is now; no baseline is needed. BATCH is an id or its beginning,
    TIME is ISO 8601 (UTC unless it says otherwise). Where the audit did not see a build, or the relation was changed
    without it, it refuses and says why. Columns that the audit ignores hold the value of the last logged change.
    """
    from batch_audit.history.as_of import write_as_of
    from batch_audit.warehouses import open_warehouse

    console = people(settings)
    warehouse = open_warehouse(settings)
    try:
        with busy(console, f"replaying {model}"):
            done = write_as_of(warehouse, model, moment, into, from_baseline=from_baseline, replace=replace)
    finally:
        warehouse.close()
    if settings.format == "json":
        machines(done.as_json())
        return
    for line in _lines(done):
        console.print(line, markup=False, soft_wrap=True)


def _lines(done: AsOf) -> list[str]:
    """What was written, and what about it is not exactly as it was."""
    told = done.as_json()
    lines = [
        f"as of     capture {told['capture_no']} of {told['node']}: {told['captured_at']}, batch {told['batch_id']}",
        f"written   {told['rows']:,} rows into {told['into']}",
    ]
    if told["ignored"]:
        lines.append(f"ignored   {', '.join(told['ignored'])}: the value of the last logged change")
    lines.extend(f"not exact {name}: {reason}" for name, reason in told["not_exact"].items())
    start = told["history_starts"]
    lines.append(f"history   starts with capture {start['capture_no']} ({start['mode']}), {start['at']}")
    return lines
