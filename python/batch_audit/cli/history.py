"""`batch-audit history`: every version of a record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_audit.cli import as_text, machines, page_options, people
from batch_audit.errors import ConfigurationError
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
@click.option(
    "--out",
    "--output",
    type=click.Path(path_type=Path),
    help="File, or folder, of the page or JSON. Default of a page: reports/ in the state folder.",
)
@page_options
def command(
    settings: Settings, *, model: str, key: str | None, named: tuple[str, ...], out: Path | None
) -> None:
    """Show every version of a record.

    KEY is the value of the key column; of several columns their values joined by | (~0 for ~ and ~1 for | within a
    value), or give each with --key. Values are canonical texts: 12.5, 2013-01-31T05:00:00.000000, true. Says what batch
    changed which fields, when, by whom and by which commit of the code; and where history starts. With --format html,
    writes all this as a page that needs no network.
    """
    if out is not None and settings.format == "text":
        raise ConfigurationError("--out is for a page or for JSON: add --format html, or --format json.")
    from batch_audit.history.versions import read_history
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(settings)
    try:
        history = read_history(warehouse, model, key, named)
    finally:
        warehouse.close()
    if settings.format == "text":
        _show(settings, history)
    elif settings.format == "json" and out is None:
        machines(history.as_json())
    else:
        _write(settings, history, f"{warehouse.database}.{warehouse.audit_schema}", out)


def _write(settings: Settings, history: RecordHistory, store: str, out: Path | None) -> None:
    """Write the page, or JSON, into a file that only its owner may read."""
    from batch_audit.reports.batch import write_report
    from batch_audit.reports.record_page import record_file_name
    from batch_audit.reports.render import render_record

    as_json = settings.format == "json"
    content = as_text(history.as_json()) if as_json else render_record(history, store)
    place = out or settings.state_folder("reports")
    path = place / record_file_name(history, settings.format) if place.is_dir() else place
    write_report(path, content)
    people(settings).print(f"history  {path}", markup=False, soft_wrap=True)


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
        f"  commit {(version.run.git_commit or 'unknown')[:12]}  batch {version.batch_id}"
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
