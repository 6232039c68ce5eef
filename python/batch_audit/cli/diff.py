"""`batch-audit diff`: the net change of a relation between two batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.history.net_change import NetChange


@click.command()
@click.argument("model")
@click.option("--from", "first", metavar="BATCH", help="After this batch. Default: before the batch of --to.")
@click.option("--to", "last", metavar="BATCH", help="Up to the end of this batch. Default: the newest.")
@click.option(
    "--samples", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Records of each kind."
)
@common_options
def command(settings: Settings, *, model: str, first: str | None, last: str | None, samples: int) -> None:
    """Show the net change of a relation between two batches.

    An insert followed by a delete is nothing, two updates are one. Batches are ids or their beginnings, or ISO 8601
    times. Columns that the audit ignores are left out.
    """
    from batch_audit.history.net_change import read_net_change
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(settings)
    try:
        found = read_net_change(warehouse, model, first, last, samples)
    finally:
        warehouse.close()
    if settings.format == "json":
        machines(found.as_json())
        return
    _show(settings, found)


def _show(settings: Settings, found: NetChange) -> None:
    from rich.table import Table
    from rich.text import Text

    from batch_audit.history.moments import utc
    from batch_audit.reports.text import counted, visible

    console = people(settings)
    console.print(
        f"{found.trail.name}: from capture {found.low.number} ({utc(found.low.occurred_at)}) to capture"
        f" {found.high.number} ({utc(found.high.occurred_at)})",
        markup=False,
    )
    for kind, past in (("insert", "inserted"), ("update", "updated"), ("delete", "deleted")):
        console.print(f"  {past:9} {counted(found.kinds[kind], 'record')}", markup=False)
    if found.erased:
        console.print(f"  {counted(found.erased, 'record')} cannot be told: their values have been erased")
    for name, count in found.fields.items():
        console.print(f"  {visible(name)}: {counted(count, 'update')}", markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for heading in ("record", "change", "field", "before", "after"):
        table.add_column(heading, overflow="fold")
    for record in found.samples:
        for name, values in record["fields"].items():
            cells = (record["record_id"], record["change_type"], name, values["before"], values["after"])
            table.add_row(*(Text("–" if cell is None else visible(cell)) for cell in cells))
    if table.row_count:
        console.print(table)
