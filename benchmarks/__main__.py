"""`python -m benchmarks [NAMES]`: measure, print a table per benchmark, or JSON with --json."""

import importlib
import json
import sys
from pathlib import Path

import click

from benchmarks.engines import ENGINES, workplace
from benchmarks.figures import Figure, table

# Name to title and the default of rounds.
BENCHMARKS = {
    "overhead": ("dbt build of 200 models and 200 tests", 3),
    "capture": ("Capture of a wide table, 2 % changed", 5),
    "inputs": ("Reads and skips of a captured table", 3),
    "growth": ("Capture and a check snapshot, 20,000 changes, the table ten times as large", 2),
    "incremental": ("Capture of an incremental run, 10,000 rows of delta", 3),
    "ledger": ("Sealing and verifying", 3),
    "history": ("History of one record", 7),
    "columns": ("Column lineage of a generated project", 3),
    "records": ("Record lineage beside the original queries", 3),
    "record_edges": ("Storing record edges", 3),
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--rounds", type=click.IntRange(1), help="Rounds of each benchmark.")
@click.option(
    "--rows", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Rows of the data."
)
@click.option("--engine", "engines", multiple=True, type=click.Choice(ENGINES), help="Only this engine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def main(
    names: tuple[str, ...], rounds: int | None, rows: int, engines: tuple[str, ...], as_json: bool
) -> None:
    """Measure the audit beside the same work without it, in turn."""
    measured = {}
    with workplace() as folder:
        for name in names or BENCHMARKS:
            title, usual = BENCHMARKS[name]
            figures = _measure(name, engines or ENGINES, folder, rounds or usual, rows)
            measured[name] = [figure.record() for figure in figures]
            if not as_json:
                _show(title, figures)
    if as_json:
        sys.stdout.write(json.dumps(measured, indent=2) + "\n")


def _measure(name: str, engines: tuple[str, ...], folder: Path, rounds: int, rows: int) -> list[Figure]:
    module = importlib.import_module(f"benchmarks.{name}")
    found: list[Figure] = []
    for engine in engines:
        click.echo(f"{name} on {engine}: {rounds} rounds …", err=True)
        found += module.measure(engine, folder, rounds, rows)
    return found


def _show(title: str, figures: list[Figure]) -> None:
    from rich.console import Console

    console = Console(width=120 if not sys.stdout.isatty() else None)
    console.print(table(title, figures))


if __name__ == "__main__":
    main()
