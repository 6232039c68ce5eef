"""`batch-audit reconcile`: whether a relation is as its last capture left it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from batch_audit.cli import busy, common_options, machines, people
from batch_audit.errors import EvidenceIncomplete, VerificationFailed
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

    from batch_audit.history.edited_records import EditedRecords
    from batch_audit.history.reconcile import Reconciliation

_STATUS = {"changed": VerificationFailed.exit_code, "not evaluated": EvidenceIncomplete.exit_code}
_KINDS = {
    "missing": "missing",
    "there_again": "there again after their deletion",
    "added": "in no capture",
    "repeated": "in several rows",
    "edited": "with other values",
}


@click.command()
@click.argument("model")
@click.option(
    "--limit", type=click.IntRange(0, 10_000), default=20, show_default=True, help="Records to name."
)
@common_options
def command(settings: Settings, *, model: str, limit: int) -> None:
    """Say whether a relation is as its last capture left it.

    Takes the fingerprint and the row count of the relation as it is, and holds them against those of the capture. If it
    has changed, names the records where the log knows their values: of all after a baseline, else of those that
    changed since. Columns that the audit ignores are left out. It only reads.

    Exit status 0 if unchanged, 1 if changed, 4 if it could not be evaluated.
    """
    from batch_audit.history.reconcile import reconcile
    from batch_audit.warehouses import open_warehouse

    console = people(settings)
    warehouse = open_warehouse(settings)
    try:
        with busy(console, f"reconciling {model}"):
            found = reconcile(warehouse, model, limit)
    finally:
        warehouse.close()
    if settings.format == "json":
        machines(found.as_json())
    else:
        for line in _lines(found):
            console.print(line, markup=False, soft_wrap=True)
        if found.records and found.records.samples:
            console.print(_table(found.records))
    sys.exit(_STATUS.get(found.verdict, 0))


def _lines(found: Reconciliation) -> list[str]:
    """The verdict, what it rests on, and how many records of each kind differ."""
    from batch_audit.history.moments import utc
    from batch_audit.reports.text import counted, visible

    last = found.capture
    lines = [f"{found.trail.name}: {found.verdict}" + (f": {found.reason}" if found.reason else "")]
    if last is not None:
        lines.append(
            f"last capture  {last.number}, {utc(last.occurred_at)}, batch {last.batch_id}: left"
            f" {counted(last.rows_after, 'row')}, fingerprint {last.fingerprint}"
        )
    if found.found is not None:
        rows, total = found.found.rows, found.found.total
        lines.append(f"found now     {counted(rows, 'row')}, fingerprint {total}")
    if last is not None and last.ignored:
        lines.append(f"ignored       {', '.join(map(visible, last.ignored))}")
    return lines + (_records(found.records) if found.records else [])


def _records(records: EditedRecords) -> list[str]:
    from batch_audit.reports.text import counted

    lines = [f"  {counted(n, 'record')} {_KINDS[kind]}" for kind, n in records.kinds.items() if n]
    known = f"The log knows the values of {records.known:,} of {counted(records.rows, 'record')}"
    if records.erased:
        known += f" ({records.erased:,} more have been erased)"
    if not lines:
        silent = records.known < records.rows
        known += ", and none of these reads differently" + (": it does not know the others" if silent else "")
    return [*lines, f"{known}."]


def _table(records: EditedRecords) -> Table:
    """A line for each field of a record that differs."""
    from rich.table import Table
    from rich.text import Text

    from batch_audit.reports.text import visible

    table = Table(box=None, pad_edge=False)
    for heading in ("record", "found", "field", "as logged", "as it is"):
        table.add_column(heading, overflow="fold")
    for record in records.samples:
        told = (record["record_id"], record["kind"].replace("_", " "))
        for name, values in record["fields"].items() or [(None, {})]:
            cells = (*told, name, values.get("logged"), values.get("found"))
            table.add_row(*(Text("–" if cell is None else visible(cell)) for cell in cells))
    return table
