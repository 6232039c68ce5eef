"""`batch-audit demo`: a small audited project, two batches, verified, with reports."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from batch_audit.demonstration import Outcome

_TRY_NEXT = (
    ("batch-audit status", "the health of the audit itself"),
    ("python tamper.py; batch-audit verify", "change the trail, and see it found"),
    ("batch-audit run -- dbt build", "the same drop again: no record changes, the test still fails"),
)


@click.command()
@click.argument("folder", metavar="[DIR]", default="batch-audit-demo", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write into a folder that holds something else; removes nothing.")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="json goes to stdout."
)
def command(folder: Path, force: bool, output: str) -> None:
    """Make a small audited project, verify it and write its reports.

    Sets up the audit in a copy of an ordinary dbt project on DuckDB (in DIR, default ./batch-audit-demo), builds
    it as two audited batches, the second with new, changed, removed and rejected records and a failing test,
    verifies the store, writes the reports and says what was caught. Every step is a command that you could type
    yourself. A later demo replaces an earlier one in the same folder.
    """
    from rich.console import Console

    from batch_audit.cli import machines
    from batch_audit.demonstration import prepare_folder, read_outcome

    console = Console(stderr=True, highlight=False)
    begin = time.monotonic()
    folder = folder.expanduser().absolute()
    prepare_folder(folder, force=force)
    _run_steps(console, folder)
    outcome = read_outcome(folder)
    seconds = time.monotonic() - begin
    if output == "json":
        machines(dataclasses.asdict(outcome) | {"seconds": round(seconds, 1)})
    else:
        _tell(console, outcome, seconds)


def _run_steps(console: Console, folder: Path) -> None:
    """One line per step; on a terminal the running one has a bar."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from batch_audit.demonstration import Step, run_steps, steps

    columns = BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn()
    console.print(f"[bold]The demo[/bold] in {_shown(folder)}\n", soft_wrap=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(steps()))

        def started(step: Step) -> None:
            bar.update(task, description=step.title)

        def ended(step: Step, seconds: float) -> None:
            bar.advance(task)
            console.print(f"  {seconds:5.1f} s  {step.title:<33} [cyan]{step}[/cyan]", soft_wrap=True)

        run_steps(folder, started, ended)


def _tell(console: Console, outcome: Outcome, seconds: float) -> None:
    """What happened, what was caught, what to open, what to try next."""
    from batch_audit.demonstration import LOG

    last, folder = outcome.batches[-1], _shown(outcome.folder)
    console.print(
        f"\n[bold]What happened[/bold] in the second batch, which ended with status {last['status']}:"
    )
    console.print(_changes(outcome))
    console.print("\n[bold]What was caught[/bold]")
    for line in _caught(outcome):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print("\n[bold]Open[/bold]")
    for report in outcome.reports:
        console.print(f"  {_shown(report)}", soft_wrap=True)
    console.print(
        "\n[bold]Try next[/bold]" + (f", after `cd {folder}`" if outcome.folder != Path.cwd() else "")
    )
    for line, why in _TRY_NEXT:
        console.print(f"  [cyan]{line:<38}[/cyan] {why}", soft_wrap=True)
    console.print(f"\n[dim]{seconds:.0f} s. What the commands said: {_shown(outcome.folder / LOG)}[/dim]")


def _shown(path: Path) -> str:
    """A path as a person in the working directory would type it."""
    from rich.markup import escape

    here = Path.cwd()
    return escape(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _changes(outcome: Outcome) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for title in ("table", "records", "inserted", "updated", "deleted"):
        table.add_column(title, justify="left" if title == "table" else "right")
    for row in outcome.changes:
        table.add_row(*(str(value) for value in row.values()))
    return table


def _caught(outcome: Outcome) -> list[str]:
    """One line per kind of trouble in the last batch, and one about the proof."""
    by_test: dict[tuple[str, str], list[str]] = {}
    for row in outcome.failures:
        by_test.setdefault((row["test_name"], row["node_name"]), []).append(row["record_id"])
    lines = [
        f"Test {test} failed on {len(ids)} {node}: {', '.join(ids)}" for (test, node), ids in by_test.items()
    ]
    reasons = ", ".join(f"{row['reason']} ({row['records']})" for row in outcome.rejected)
    lines.append(f"Orders newly rejected: {reasons}")
    lines.append(
        f"Verified: {outcome.sealed['records']} rows of the trail, sealed in {outcome.sealed['blocks']} blocks, "
        "are as they were written"
    )
    return lines
