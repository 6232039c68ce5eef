"""`batch-audit seal`: close and seal what a batch left open."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import EvidenceIncomplete, StoreMissingError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.ledger.seal import SealPlan, SealResult
    from batch_audit.runner.store_writer import Recovered

_UNITS_US = {"m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


def _microseconds(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A span such as 30m, 6h or 2d, in microseconds."""
    match = re.fullmatch(r"(\d+)([mhd])", value.strip())
    if match is None:
        raise click.BadParameter(
            f"{value!r} is not an age: give minutes, hours or days, such as 30m, 6h or 2d.", ctx, param
        )
    return int(match[1]) * _UNITS_US[match[2]]


@click.command()
@click.option("--all", "everything", is_flag=True, help="Whatever its age. Only when no batch is running.")
@click.option(
    "--older-than", callback=_microseconds, default="6h", show_default=True, metavar="AGE",
    help="Only what opened longer ago: 30m, 6h, 2d.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@common_options
def command(settings: Settings, *, everything: bool, older_than: int, dry_run: bool) -> None:
    """Close and seal what a batch left open.

    A batch that was killed has a start and no end, and nothing vouches for its rows. This loads what crashed runs left
    in the spool, writes the end of every batch without one, with the status `incomplete`, and blocks for every
    segment that has none. What is sealed already is never touched.

    The exit status is 4 if a run in the spool could not be brought into its store.
    """
    spooled = list(_spooled(settings, dry_run))
    plan, result = _sealed(settings, None if everything else older_than, dry_run)
    if settings.format == "json":
        machines(
            {
                "dry_run": dry_run,
                "spooled": [asdict(item) for item in spooled],
                "plan": asdict(plan),
                "result": asdict(result),
            }
        )
    lines = [*(item.note for item in spooled), *_told(plan, result, dry_run)]
    people(settings).print("\n".join(lines), markup=False, soft_wrap=True)
    if any(item.state == "failed" for item in spooled):
        sys.exit(EvidenceIncomplete.exit_code)


def _spooled(settings: Settings, dry_run: bool) -> Iterator[Recovered]:
    """Bring crashed runs from the spool into their stores; a dry run only names them."""
    from batch_audit.runner.spool import left_over
    from batch_audit.runner.store_writer import Recovered, write_left_over

    folder = settings.state_dir / "spool"
    if not dry_run:
        yield from write_left_over(settings, folder)
        return
    records, unreadable = left_over(folder, set_aside=False)
    for record in records:
        record.release()
        batch_id = record.start.batch_id
        yield Recovered(batch_id, "waiting", f"would load batch {batch_id} of a crashed run from the spool")
    for item in unreadable:
        note = f"would set {item.path} aside: it cannot be read ({item.reason})"
        yield Recovered(None, "rejected", note)


def _sealed(settings: Settings, age: int | None, dry_run: bool) -> tuple[SealPlan, SealResult]:
    from batch_audit.ledger.seal import SealResult, execute_plan, read_plan
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(settings)
    try:
        if not warehouse.store_exists():
            raise StoreMissingError(
                f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database}:"
                " nothing can be sealed. Run a batch first, or name the schema with --audit-schema."
            )
        now_us = time.time_ns() // 1000
        plan = read_plan(warehouse, now_us=now_us, older_than_us=age)
        if dry_run or not (plan.close or plan.seal):
            return plan, SealResult((), None)
        return plan, execute_plan(warehouse, plan, now_us=now_us, older_than_us=age, actor=_actor())
    finally:
        warehouse.close()


def _actor() -> str | None:
    from batch_audit.runner.context import actor_of, ci_of, os_user

    return actor_of(None, ci_of(os.environ), os_user()).name


def _told(plan: SealPlan, result: SealResult, dry_run: bool) -> Iterator[str]:
    would = "would close" if dry_run else "closed"
    for segment, writer in result.held.items():
        yield f"left open: segment {segment}, {writer} is still writing to it"
    for invocation in plan.close:
        if invocation.invocation_id in result.held:
            continue
        yield f"{would} batch {invocation.batch_id} as incomplete: invocation {invocation.invocation_id} left no end"
    if dry_run:
        yield f"would seal {len(plan.seal) + len(plan.close)} segments"
    elif result.blocks:
        yield f"sealed {len(result.segments)} segments in blocks {result.blocks[0]} to {result.blocks[1]}"
    else:
        yield "nothing to seal"
    if plan.left_open:
        yield f"left open: {len(plan.left_open)} segments that may still be written (--older-than, --all)"
