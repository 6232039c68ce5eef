"""`batch-audit backfill`: what snapshots tell of the time before the audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from batch_audit.cli import busy, common_options, machines, people
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.backfill.run import Outcome
    from batch_audit.backfill.write import Backfilled


@click.command()
@click.argument("snapshots", nargs=-1, metavar="[SNAPSHOT]")
@common_options
def command(settings: Settings, *, snapshots: tuple[str, ...]) -> None:
    """Record what snapshots tell of the time before capture.

    Turns the versions in a snapshot's table that no capture saw into changes, in the order of their times: so
    `history` and `as-of` reach back to the first version. Without a name, all snapshots that ask for capture. The
    changes are labelled: nobody saw them happen, and who made them is unknown. All of it is one sealed batch, or
    nothing is written; what the store knows already is not written again.
    """
    from batch_audit.backfill.run import backfill

    console = people(settings)
    with busy(console, "reading the snapshots' versions"):
        outcome = backfill(settings, snapshots)
    if settings.format == "json":
        machines(asdict(outcome))
        return
    for line in _lines(outcome):
        console.print(line, markup=False, soft_wrap=True)


def _lines(outcome: Outcome) -> Iterator[str]:
    for item in outcome.snapshots:
        yield from _told(item)
    yield f"batch   {outcome.batch_id}" if outcome.batch_id else "Nothing was written."


def _told(item: Backfilled) -> Iterator[str]:
    from batch_audit.history.moments import utc
    from batch_audit.reports.text import counted

    name = item.node.split(".", 2)[-1]
    if item.first_at is None or item.last_at is None:
        yield f"{name}: {item.reason}"
    else:
        kinds = (("insert", item.inserts), ("update", item.updates), ("delete", item.deletes))
        told = ", ".join(counted(count, kind) for kind, count in kinds)
        yield f"{name}: {told}, from {utc(item.first_at)} to {utc(item.last_at)}"
    if item.left_out:
        yield (
            f"{name}: {counted(item.left_out, 'record')} left out: their first captured change does not say"
            " which version"
            " came before it (its values were erased, or the version was changed)"
        )
    if item.later:
        yield (
            f"{name}: {counted(item.later, 'change')} left out: by their times they came after the first"
            " capture began, and"
            " no capture saw them (a build without the audit made them, or these times are not UTC)"
        )
    if not item.left_out and item.changes and item.found is not None and item.found != item.valid:
        yield (
            f"{name}: the versions tell of {counted(item.valid, 'valid record')} where the first capture found"
            f" {item.found:,}: versions have been removed or changed, and `as-of` and `diff` stop there"
        )
