"""`batch-audit run`: run a batch, dbt or a script with several dbt calls."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import click

from batch_audit.cli import busy, common_options, people
from batch_audit.settings import Settings


@click.command(
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
)
@click.option("--job", envvar="BATCH_AUDIT_JOB", help="A name for what runs. [env: BATCH_AUDIT_JOB]")
@click.option("--batch-id", help="Join this batch instead of opening a new one.")
@click.option(
    "--actor", envvar="BATCH_AUDIT_ACTOR", help="Who runs it, instead of what CI or the system says."
)
@click.option("--no-report", is_flag=True, help="Write no report at the end.")
@click.option("--no-lineage", is_flag=True, help="Do not read and record column lineage.")
@click.option(
    "--openlineage", envvar="BATCH_AUDIT_OPENLINEAGE", metavar="DEST",
    help="Write OpenLineage events at the end: to a file, an http(s) URL, or `client` for what openlineage.yml or"
    " OPENLINEAGE_… variables say. [env: BATCH_AUDIT_OPENLINEAGE]",
)  # fmt: skip
@click.option("--summary-file", type=click.Path(dir_okay=False), help="Write the summary there as JSON.")
@click.argument("command_line", metavar="COMMAND…", nargs=-1, required=True, type=click.UNPROCESSED)
@common_options
def command(
    settings: Settings,
    *,
    job: str | None,
    batch_id: str | None,
    actor: str | None,
    no_report: bool,
    no_lineage: bool,
    openlineage: str | None,
    summary_file: str | None,
    command_line: tuple[str, ...],
) -> None:
    """Run a batch: dbt, or a script with several dbt calls.

    The command runs as it always does: same console, same log, same exit status. Whatever happens to it,
    interrupt, kill or a project that does not parse, the batch is on record afterwards, or the
    summary says INCOMPLETE and why.

    The exit status is the command's own; 4 if the command was fine and its evidence is not complete.
    """
    from batch_audit.runner.batch import Options, run_batch
    from batch_audit.runner.summary import print_summary

    to = None
    if openlineage:
        from batch_audit.openlineage.destination import destination

        to = destination(openlineage)
    console = people(settings)
    summary = run_batch(
        settings,
        Options(command_line, job, batch_id, actor, not no_report, not no_lineage, to),
        functools.partial(busy, console),
    )
    if summary_file is not None:
        import json

        Path(summary_file).write_text(
            json.dumps(summary.as_json(), ensure_ascii=False, indent=2), encoding="utf-8"
        )
    print_summary(console, summary)
    sys.exit(summary.exit_status)
