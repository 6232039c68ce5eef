"""`batch-audit lineage impact`: what a change of code touches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_audit.cli import as_text, busy, lineage_options, people
from batch_audit.cli.lineage.of import TARGET_PATH, artifacts_of
from batch_audit.cli.lineage.output import OUT, paint, write
from batch_audit.errors import ConfigurationError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.lineage.explore.touched import FailOn, Impact


@click.command()
@click.option(
    "--state", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Folder with the manifest.json to compare with, as for dbt's --state.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(["never", "broken", "removed", "changed", "any"]), default="never",
    show_default=True,
    help="Exit with 1 for: a reader of a column that is gone; also a model or column removed; also changed; anything.",
)  # fmt: skip
@TARGET_PATH
@OUT
@lineage_options("tree", "json", "csv", "markdown")
def impact(
    settings: Settings, *, state: Path, fail_on: FailOn, target_path: Path | None, out: Path | None
) -> None:
    """Show what a change of code touches downstream.

    Compares the present manifest (`dbt compile` writes it) with an earlier one: models and columns that were added or
    removed, or that are made otherwise, and every model and exposure below them. Asks no warehouse. Names of databases
    and schemas do not count, so that development can be compared with production.
    """
    from batch_audit.lineage.explore.from_manifest import read_artifacts
    from batch_audit.lineage.explore.states import compare

    after = artifacts_of(settings, target_path)
    if isinstance(after, ConfigurationError):
        raise after
    before = read_artifacts(state.resolve())
    console = people(settings)
    with busy(console, "comparing"):
        found = compare(before, after)
    console.print(found.after.known.origin.sentence(), markup=False, soft_wrap=True)
    console.print(f"compared with {found.before.known.origin.sentence()[5:]}", markup=False, soft_wrap=True)
    for side in (found.before, found.after):
        for note in side.known.origin.notes:
            console.print(f"note: {side.known.origin.place}: {note}", markup=False, soft_wrap=True)
    _write(settings, found, out)
    if found.fails(fail_on):
        raise click.exceptions.Exit(1)


def _write(settings: Settings, found: Impact, out: Path | None) -> None:
    from batch_audit.lineage.explore.impact_machine import as_csv, as_json
    from batch_audit.lineage.explore.impact_text import as_markdown, painted

    written: dict[str, Callable[[], str]] = {
        "json": lambda: as_text(as_json(found)),
        "csv": lambda: as_csv(found),
        "markdown": lambda: as_markdown(found),
    }
    if settings.format in written:
        write(written[settings.format](), out)
    else:
        paint(painted(found), out)
