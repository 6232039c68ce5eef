"""`batch-audit report`: what a batch did, as a page for people or JSON for machines."""

from __future__ import annotations

from pathlib import Path

import click

from batch_audit.cli import page_options, people
from batch_audit.settings import Settings


@click.group()
def command() -> None:
    """Render reports from the store."""


@command.command("batch")
@click.argument("batch", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File, or folder. Default: reports/ in the state folder."
)
@page_options
def batch_report(settings: Settings, *, batch: str | None, out: Path | None) -> None:
    """Render the report on one batch.

    BATCH is an id or its beginning; without it the newest batch is reported. Writes a page that needs no network;
    with --format json, the same as JSON on stdout or into --out.
    """
    from batch_audit.reports.batch import find_batch, read_batch, report_name, write_report
    from batch_audit.reports.reader import require_views
    from batch_audit.reports.render import render_html, render_json
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(settings)
    try:
        require_views(warehouse)
        report = read_batch(warehouse, find_batch(warehouse, batch))
    finally:
        warehouse.close()
    as_json = settings.format == "json"
    content = render_json(report) if as_json else render_html(report)
    if as_json and out is None:
        click.echo(content, nl=False)
        return
    place = out or settings.state_folder("reports")
    path = place / report_name(report, "json" if as_json else "html") if place.is_dir() else place
    write_report(path, content)
    people(settings).print(f"report  {path}", markup=False, soft_wrap=True)
