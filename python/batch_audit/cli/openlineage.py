"""`batch-audit openlineage`: a batch as OpenLineage run events."""

from __future__ import annotations

import os

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import ConfigurationError
from batch_audit.settings import Settings


@click.command()
@click.argument("batch", required=False)
@click.option("--out", metavar="FILE|-", help="Append to this file; - is stdout, the default.")
@click.option(
    "--url", metavar="URL", help="Send to this server, with the key in OPENLINEAGE_API_KEY if it is set."
)
@click.option("--client", is_flag=True, help="Send as openlineage.yml or OPENLINEAGE_… variables say.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True,
    help="Seconds for sending all events.",
)  # fmt: skip
@click.option(
    "--namespace", envvar="OPENLINEAGE_NAMESPACE", default="dbt", show_default=True,
    help="Namespace of the jobs. [env: OPENLINEAGE_NAMESPACE]",
)  # fmt: skip
@click.option(
    "--dataset-namespace", envvar="BATCH_AUDIT_DATASET_NAMESPACE",
    help="Namespace of the datasets, if not the address of the target. [env: BATCH_AUDIT_DATASET_NAMESPACE]",
)  # fmt: skip
@common_options
def command(
    settings: Settings,
    *,
    batch: str | None,
    out: str | None,
    url: str | None,
    client: bool,
    timeout: float,
    namespace: str,
    dataset_namespace: str | None,
) -> None:
    """Write a batch as OpenLineage run events.

    BATCH is an id or its beginning, or `latest`, which is the default. The batch is a run, and each node and test that
    was executed is a run below it, with its inputs and outputs, column lineage, row counts and test results. One event
    per line. Writing or sending a batch again gives the same runs.
    """
    from batch_audit.openlineage.destination import destination, file_destination, url_destination
    from batch_audit.openlineage.emit import Sources, events_of
    from batch_audit.openlineage.send import Limits, as_lines, deliver
    from batch_audit.reports.find import find_batch
    from batch_audit.reports.reader import require_views
    from batch_audit.runner.dbt_options import paths_of
    from batch_audit.warehouses import open_warehouse

    if sum((out is not None, url is not None, client)) > 1:
        raise ConfigurationError("--out, --url and --client are three ways to deliver: give one of them.")
    to = destination("client") if client else None
    to = url_destination(url) if url is not None else to
    to = file_destination(out) if out not in (None, "-") and out is not None else to
    warehouse = open_warehouse(settings)
    try:
        require_views(warehouse)
        batch_id = find_batch(warehouse, None if batch == "latest" else batch)
        sources = Sources(settings.project_dir, paths_of(settings, None, os.environ).target)
        events, notes = events_of(warehouse, batch_id, sources, namespace, dataset_namespace)
    finally:
        warehouse.close()
    console = people(settings)
    if to is None:
        click.echo(as_lines(events), nl=False)
    else:
        done = deliver(events, to, Limits(all=timeout))
        console.print(f"openlineage  batch {batch_id}: {done}", markup=False, soft_wrap=True)
        if settings.format == "json":
            machines({"batch_id": batch_id, "events": len(events), "done": done, "notes": notes})
    for note in notes:
        console.print(f"note  {note}", markup=False, soft_wrap=True)
