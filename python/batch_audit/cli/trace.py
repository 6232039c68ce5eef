"""`batch-audit trace`: where a record came from, and where it went."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batch_audit.cli import busy, lineage_options, people
from batch_audit.cli.lineage.output import OUT
from batch_audit.errors import ConfigurationError, StoreMissingError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.lineage.code import NodeCode
    from batch_audit.lineage.explore.known import Origin
    from batch_audit.trace.answer import Answer
    from batch_audit.warehouses import Warehouse

_LIMITS = {"tree": 20, "html": 50, "json": 10_000, "csv": 10_000}


@click.command()
@click.argument("model")
@click.argument("key", required=False)
@click.option(
    "--key", "named", multiple=True, metavar="COLUMN=VALUE", help="One column of the key; repeat it."
)
@click.option("--upstream", is_flag=True, help="Where it came from. This is the default.")
@click.option("--downstream", is_flag=True, help="Which records it went into. With --upstream: both.")
@click.option("--to", metavar="MODEL", help="Only paths that end at this model, seed, snapshot or source.")
@click.option("--depth", type=click.IntRange(1), help="How many steps away. Default: all.")
@click.option(
    "--filters",
    is_flag=True,
    help="Also follow records that gave no value and only decided (IN, EXISTS, windows).",
)
@click.option(
    "--as-of", metavar="BATCH", help="By the code, and where the log tells it the data, after this batch."
)
@click.option(
    "--limit", type=click.IntRange(1),
    help="Records listed for each record, input and role; others are counted. Default: 20, 50 on a page, 10000 in JSON"
    " and CSV.",
)  # fmt: skip
@click.option(
    "--manifest", is_flag=True, help="Take the code from dbt's manifest, and not from the audit store."
)
@OUT
@lineage_options("tree", "json", "csv", "html")
def command(
    settings: Settings, *, model: str, key: str | None, named: tuple[str, ...], upstream: bool, downstream: bool,
    to: str | None, depth: int | None, filters: bool, as_of: str | None, limit: int | None, manifest: bool,
    out: Path | None,
) -> None:  # fmt: skip
    """Show which records a record came from, or went into.

    MODEL is a name, source.table or a unique_id; KEY as in `batch-audit history`. Each hop is exact, a superset (no
    record is missing, some may be too many) or unknown, and says why. Views are passed through. Reads the SQL that the
    last batches recorded, else dbt's manifest, and the relations as they are now.
    """
    if manifest and as_of is not None:
        raise ConfigurationError("--as-of asks the audit store and --manifest does not: give one of them.")
    from batch_audit.trace.answer import answer
    from batch_audit.trace.walk import Wanted
    from batch_audit.warehouses import open_warehouse

    directions = _directions(upstream, downstream)
    bound = limit or _LIMITS[settings.format]
    warehouse = open_warehouse(settings)
    try:
        codes, origin = _codes(settings, warehouse, model, as_of, manifest)
        with busy(people(settings), f"tracing {model}"):
            found = answer(
                warehouse, codes, origin, model=model, key=key, named=named, as_of=as_of, to=to,
                wanted=[Wanted(one, depth=depth, limit=bound, filters=filters) for one in directions],
            )  # fmt: skip
    finally:
        warehouse.close()
    _write(settings, found, out)


def _directions(upstream: bool, downstream: bool) -> list[Any]:
    wanted = [name for name, asked in (("upstream", upstream), ("downstream", downstream)) if asked]
    return wanted or ["upstream"]


def _codes(
    settings: Settings, warehouse: Warehouse, model: str, as_of: str | None, manifest: bool
) -> tuple[dict[str, NodeCode], Origin]:  # fmt: skip
    """The code on record, or that of dbt's artifacts where the store has none of the model."""
    from batch_audit.runner.dbt_options import paths_of
    from batch_audit.trace.start import codes_in_target, codes_on_record, find_code

    folder = paths_of(settings, None, os.environ).target
    if manifest:
        return codes_in_target(folder)
    refused: ConfigurationError | StoreMissingError
    if warehouse.store_exists():
        codes, origin = codes_on_record(warehouse, as_of)
        if codes:
            try:
                find_code(model, codes)
                return codes, origin
            except ConfigurationError as error:
                refused = error
        else:
            refused = StoreMissingError(f"No batch has recorded the code of its models in {origin.place}.")
    else:
        refused = StoreMissingError(
            f"There is no audit store in {warehouse.database}.{warehouse.audit_schema}."
        )
    if as_of is not None:
        raise refused
    try:
        codes, origin = codes_in_target(folder)
        find_code(model, codes)
    except ConfigurationError as error:
        if isinstance(refused, ConfigurationError):
            raise refused from error
        raise ConfigurationError(f"{refused}\n  {error}") from error
    note = "the audit store does not say: " + str(refused).splitlines()[0]
    return codes, origin.__class__(origin.kind, origin.place, origin.moment, origin.batch_id, (note,))


def _write(settings: Settings, found: Answer, out: Path | None) -> None:
    from batch_audit.cli import as_text
    from batch_audit.cli.lineage.output import paint, write
    from batch_audit.trace.machine import as_csv
    from batch_audit.trace.paint import painted

    console = people(settings)
    _say(console, [found.origin.sentence(), *(f"note: {note}" for note in found.origin.notes)])
    if settings.format == "json":
        write(as_text(found.as_json()), out)
    elif settings.format == "csv":
        write(as_csv(found.traces), out)
    elif settings.format == "html":
        from batch_audit.reports.trace_page import render_trace

        write(render_trace(found), out)
    else:
        paint(
            (
                part
                for one in found.traces
                for part in painted(one, found.names, headed=len(found.traces) > 1)
            ),
            out,
        )


def _say(console: Any, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
