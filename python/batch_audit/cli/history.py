"""`batch-audit history`: every version of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.settings import Settings

if TYPE_CHECKING:
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
    from rich.table import Table
    from rich.text import Text

    console = people(settings)
    if history.versions:
        table = Table(box=None, pad_edge=False)
        table.add_column("capture", justify="right")
        for heading in ("changed (UTC)", "batch", "actor", "commit", "change", "field", "before", "after"):
            table.add_column(heading, overflow="fold")
        for version in history.versions:
            for row in _rows(version):
                table.add_row(*(Text(cell) for cell in row))
        console.print(table)
    else:
        key = ", ".join(history.trail.newest.key)
        console.print(
            f"No change of the record {history.record_id!r} ({key}) of {history.trail.name} has been recorded.",
            markup=False,
        )
    for line in (history.start, *history.unseen):
        console.print(line, markup=False, soft_wrap=True)


def _rows(version: Version) -> list[tuple[str, ...]]:
    """A line for each changed field; the first one says what they share."""
    from batch_audit.history.moments import utc
    from batch_audit.reports.text import visible

    def shown(value: str | None) -> str:
        return "–" if value is None else visible(value)

    first = (
        str(version.capture_no or "?"), utc(version.occurred_at).removesuffix(" UTC"), version.batch_id,
        visible(version.actor or "–"), (version.git_commit or "–")[:12], version.change_type,
    )  # fmt: skip
    if version.erased:
        names = ", ".join(name for name, _, _ in version.fields)
        return [(*first, visible(names) or "–", "erased", "erased")]
    fields = [(visible(name), shown(before), shown(after)) for name, before, after in version.fields]
    heads = [first] + [("",) * len(first)] * len(fields)
    return [(*head, *field) for head, field in zip(heads, fields or [("–", "–", "–")], strict=False)]
