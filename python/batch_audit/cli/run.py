"""`batch-audit run`: run a batch, dbt or a script with several dbt calls."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_audit.cli import busy, common_options, people
from batch_audit.errors import ConfigurationError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.digest.publish import Request


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
@click.option(
    "--digest-dir", type=click.Path(path_type=Path, file_okay=False), envvar="BATCH_AUDIT_DIGEST_DIR",
    help="Write a digest there at the end, to keep outside the warehouse. [env: BATCH_AUDIT_DIGEST_DIR]",
)  # fmt: skip
@click.option(
    "--key", envvar="BATCH_AUDIT_KEY", metavar="FILE",
    help="Private key that signs the digest. The variable may hold the PEM text itself. [env: BATCH_AUDIT_KEY,"
    " BATCH_AUDIT_KEY_PASSPHRASE]",
)  # fmt: skip
@click.option(
    "--witness", type=click.Path(path_type=Path, dir_okay=False), envvar="BATCH_AUDIT_WITNESS",
    help="File that remembers every digest. [env: BATCH_AUDIT_WITNESS]",
)  # fmt: skip
@click.option(
    "--timestamp-url", envvar="BATCH_AUDIT_TIMESTAMP_URL", metavar="URL",
    help="Attach a timestamp of this RFC 3161 authority to the digest. [env: BATCH_AUDIT_TIMESTAMP_URL]",
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
    digest_dir: Path | None,
    key: str | None,
    witness: Path | None,
    timestamp_url: str | None,
    summary_file: str | None,
    command_line: tuple[str, ...],
) -> None:
    """Run a batch: dbt, or a script with several dbt calls.

    The command runs as it always does: same console, same log, same exit status. Whatever happens to it,
    interrupt, kill or a project that does not parse, the batch is on record afterwards, or the
    summary says INCOMPLETE and why.

    The exit status is the command's own; 4 if the command was fine and its evidence is not complete, for example
    because its digest could not be written.
    """
    from batch_audit.runner.batch import Options, run_batch
    from batch_audit.runner.summary import print_summary

    to = None
    if openlineage:
        from batch_audit.openlineage.destination import destination

        to = destination(openlineage)
    digest = _digest(digest_dir, key, witness, timestamp_url)
    console = people(settings)
    summary = run_batch(
        settings,
        Options(command_line, job, batch_id, actor, not no_report, not no_lineage, to, digest),
        functools.partial(busy, console),
    )
    if summary_file is not None:
        import json

        Path(summary_file).write_text(
            json.dumps(summary.as_json(), ensure_ascii=False, indent=2), encoding="utf-8"
        )
    print_summary(console, summary)
    sys.exit(summary.exit_status)


def _digest(
    folder: Path | None, key: str | None, witness: Path | None, timestamp_url: str | None
) -> Request | None:
    """Where to write the batch's digest. A bad key is found before anything runs."""
    if folder is None:
        if key or witness or timestamp_url:
            raise ConfigurationError(
                "A key, a witness or a timestamp authority is given and no place for the digests. Nothing was run:"
                " add --digest-dir, or remove them (BATCH_AUDIT_KEY, BATCH_AUDIT_WITNESS, BATCH_AUDIT_TIMESTAMP_URL)."
            )
        return None
    from batch_audit.digest.keys import signer
    from batch_audit.digest.publish import Request

    # The command may change the folder that it works in.
    return Request(
        out=folder.absolute(),
        witness=witness.absolute() if witness else None,
        signer=signer(key, os.environ) if key else None,
        timestamp_url=timestamp_url,
    )
