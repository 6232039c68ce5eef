"""`batch-audit history`: every version of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

    from batch_audit.history.versions import RecordHistory, Version


@click.command()
@click.argument("model")
@click.argument("key", required=False)
@click.option(
    "--key", "named", multiple=True, metavar="COLUMN=VALUE", help="One column of the key; repeat it."
)
@common_options
def command(settings: Settings, *, model: str, key: str | None, named: tuple[str, ...]) -> None:
    """Show every version of a record.

    KEY is the value of the key column; of several columns their values joined by | (~0 for ~ and ~1 for | within a
    value), or give each with --key. Values are canonical texts: 12.5, 2013-01-31T05:00:00.000000, true. Says what batch
    changed which fields, when, by whom and by which commit of the code; and where history starts.
    """
    from batch_audit.history.versions import read_history
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(settings)
    try:
        history = read_history(warehouse, model, key, named)
    finally:
        warehouse.close()
    if settings.format == "json":
        machines(history.as_json())
        return
    _show(settings, history)


def _show(settings: Settings, history: RecordHistory) -> None:
    console = people(settings)
    for version in history.versions:
        console.print(_heading(version), markup=False, soft_wrap=True)
        console.print(_fields(version))
    if not history.versions:
        key = ", ".join(history.trail.newest.key)
        console.print(
            f"No change of the record {history.record_id!r} ({key}) of {history.trail.name} has been recorded.",
            markup=False,
            soft_wrap=True,
        )
    for line in (history.start, *history.unseen):
        console.print(line, markup=False, soft_wrap=True)


def _heading(version: Version) -> str:
    """What the fields of a version share, in one line."""
    from batch_audit.history.moments import utc
    from batch_audit.reports.text import visible

    if version.backfilled:
        return visible(
            f"{version.change_type}  {utc(version.occurred_at)}  backfilled from the snapshot: by whom and"
            " by which commit"
            f" is unknown  batch {version.batch_id}"
        )
    return visible(
        f"{version.change_type}  {utc(version.occurred_at)}  by {version.actor or 'unknown'}"
        f"  commit {(version.git_commit or 'unknown')[:12]}  batch {version.batch_id}"
        f"  capture {version.capture_no or 'unknown'}"
    )


def _fields(version: Version) -> Table:
    """A line for each changed field."""
    from rich.table import Table
    from rich.text import Text

    from batch_audit.reports.text import visible

    table = Table(box=None, padding=(0, 0, 0, 2))
    for heading in ("field", "before", "after"):
        table.add_column(heading, overflow="fold")
    for name, before, after in version.fields:
        values = ["erased" if version.erased else "–" if v is None else visible(v) for v in (before, after)]
        table.add_row(Text(visible(name)), *map(Text, values))
    return table
