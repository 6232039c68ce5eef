"""`batch-audit status`: the health of the audit itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import StoreMissingError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.warehouses.base import Warehouse

_TABLES = (
    "audit_segment",
    "audit_event",
    "audit_payload",
    "audit_record_edge",
    "audit_column_edge",
    "audit_block",
)


@click.command()
@click.option(
    "--last", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many batches to show."
)
@common_options
def command(settings: Settings, *, last: int) -> None:
    """Show batches, unsealed rows and the store's size.

    Also what waits in the spool: runs whose evidence could not be written to the store yet.
    """
    from batch_audit.runner.spool import waiting
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(settings)
    try:
        if not warehouse.store_exists():
            raise StoreMissingError(
                f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database} yet."
                " Run a batch first: batch-audit run -- dbt build."
            )
        found = _read(warehouse, last)
    finally:
        warehouse.close()
    found["spooled"] = waiting(settings.state_dir / "spool")
    if settings.format == "json":
        machines(found)
        return
    _show(settings, found)


def _read(warehouse: Warehouse, last: int) -> dict[str, Any]:
    """The newest batches and the counts of the store, read from its tables (the views may be missing)."""
    from batch_audit.statuses import of_marks

    segment, event = warehouse.table("audit_segment"), warehouse.table("audit_event")
    batches = warehouse.query(
        "select s.batch_id, min(s.opened_at) as opened_at, count(*) as segments,"
        f" sum(case when exists (select 1 from {warehouse.table('audit_block')} as b where b.segment = s.segment)"
        f" then 0 else 1 end) as unsealed from {segment} as s"
        f" group by s.batch_id order by min(s.opened_at) desc, s.batch_id limit {last}"
    )
    named = ", ".join(warehouse.literal(row["batch_id"]) for row in batches) or "null"
    marks = warehouse.query(
        f"select batch_id, invocation_id, event_type, actor, metadata from {event} where batch_id in ({named})"
        " and event_type in ('batch_start', 'batch_end') order by occurred_at"
    )
    for row in batches:
        own = [mark for mark in marks if mark["batch_id"] == row["batch_id"]]
        row["actor"] = next((mark["actor"] for mark in own if mark["actor"]), None)
        row["status"] = of_marks(own)
        row["unsealed"] = int(row["unsealed"])
        row["opened_at"] = datetime.fromtimestamp(row["opened_at"] / 1e6, UTC).isoformat(timespec="seconds")
    rows = {
        table: warehouse.query(f"select count(*) as n from {warehouse.table(table)}")[0]["n"]
        for table in _TABLES
    }
    open_segments = warehouse.query(
        f"select count(*) as n from {segment} as s where not exists"
        f" (select 1 from {warehouse.table('audit_block')} as b where b.segment = s.segment)"
    )[0]["n"]
    return {
        "batches": batches,
        "unsealed_segments": open_segments,
        "rows": rows,
        "bytes": warehouse.stored_bytes(_TABLES),
        "database_bytes": warehouse.database_bytes(),
    }


def _size(found: dict[str, Any]) -> str:
    """The bytes of the store by table where the engine keeps account of them, and of the database around it."""
    known = {name: size for name, size in found["bytes"].items() if size is not None}
    tables = ", ".join(f"{name.removeprefix('audit_')} {_in_units(size)}" for name, size in known.items())
    total = f"{_in_units(sum(known.values()))} ({tables})" if known else "not known by table on this engine"
    whole = found["database_bytes"]
    return total if whole is None else f"{total}; the whole database {_in_units(whole)}"


def _in_units(size: int) -> str:
    """Bytes in the largest unit of 1024 that leaves at least one."""
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _show(settings: Settings, found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("batch", "opened (UTC)", "actor", "status", "segments", "unsealed"):
        number = heading in ("segments", "unsealed")
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in found["batches"]:
        table.add_row(
            row["batch_id"], row["opened_at"].removesuffix("+00:00"), row["actor"] or "–", row["status"],
            str(row["segments"]), str(row["unsealed"]),
        )  # fmt: skip
    console = people(settings)
    console.print(table)
    sizes = ", ".join(f"{name.removeprefix('audit_')} {count:,}" for name, count in found["rows"].items())
    console.print(f"\nrows      {sizes}", markup=False)
    console.print(f"size      {_size(found)}", markup=False)
    console.print(
        f"unsealed  {found['unsealed_segments']} segments (a running batch has some; else: batch-audit seal)",
        markup=False,
    )
    if found["spooled"]:
        console.print(
            f"spool     {found['spooled']} runs wait to be loaded (a running batch has one; else: batch-audit seal)",
            markup=False,
        )
