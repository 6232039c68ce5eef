"""`batch-audit seal`: close and seal what a batch left open."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import StoreMissingError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.ledger.seal import SealPlan, SealResult

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

    A batch that was killed has a start and no end, and nothing vouches for its rows. This writes its end with the
    status `incomplete`, and blocks for every segment that has none. What is sealed already is never touched.
    """
    from batch_audit.ledger.seal import SealResult, execute_plan, read_plan
    from batch_audit.warehouses import open_warehouse

    age = None if everything else older_than
    warehouse = open_warehouse(settings)
    try:
        if not warehouse.store_exists():
            raise StoreMissingError(
                f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database}:"
                " nothing can be sealed. Run a batch first, or name the schema with --audit-schema."
            )
        now_us = time.time_ns() // 1000
        plan = read_plan(warehouse, now_us=now_us, older_than_us=age)
        result = SealResult((), None)
        if not dry_run and (plan.close or plan.seal):
            result = execute_plan(warehouse, plan, now_us=now_us, older_than_us=age, actor=_actor())
    finally:
        warehouse.close()
    if settings.format == "json":
        machines({"dry_run": dry_run, "plan": asdict(plan), "result": asdict(result)})
    people(settings).print("\n".join(_told(plan, result, dry_run)), markup=False, soft_wrap=True)


def _actor() -> str | None:
    from batch_audit.runner.context import actor_of, ci_of, os_user

    return actor_of(None, ci_of(os.environ), os_user()).name


def _told(plan: SealPlan, result: SealResult, dry_run: bool) -> Iterator[str]:
    would = "would close" if dry_run else "closed"
    for invocation in plan.close:
        yield f"{would} batch {invocation.batch_id} as incomplete: invocation {invocation.invocation_id} left no end"
    if dry_run:
        yield f"would seal {len(plan.seal) + len(plan.close)} segments"
    elif result.blocks:
        yield f"sealed {len(result.segments)} segments in blocks {result.blocks[0]} to {result.blocks[1]}"
    else:
        yield "nothing to seal"
    if plan.left_open:
        yield f"left open: {len(plan.left_open)} segments that may still be written (--older-than, --all)"
