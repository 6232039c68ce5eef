"""`batch-audit lineage sql`: the lineage of a piece of SQL."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from batch_audit.cli import people
from batch_audit.cli.lineage.output import OUT, write_slice
from batch_audit.errors import ConfigurationError
from batch_audit.settings import Settings

_FORMATS = ("tree", "json", "csv", "openlineage", "mermaid")
_STDIN = "-"


@click.command()
@click.argument("file", type=click.Path(allow_dash=True, path_type=str))
@click.option(
    "--dialect", help="Dialect, as sqlglot names it. Default: that of dbt's manifest, else generic SQL."
)
@click.option(
    "--schema", "schema_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Columns of relations, in YAML or JSON: `relation: [column, …]`, or `relation: {column: type}`.",
)  # fmt: skip
@click.option("--target", default="result", show_default=True, help="What a bare query fills.")
@click.option("--namespace", default="sql", show_default=True, help="Namespace for --format openlineage.")
@click.option(
    "--format", "output", type=click.Choice(_FORMATS), help="Default: tree. [env: BATCH_AUDIT_FORMAT]"
)
@OUT
@click.option("-q", "--quiet", is_flag=True, help="Print the answer only. [env: BATCH_AUDIT_QUIET]")
def sql(
    file: str, *, dialect: str | None, schema_file: Path | None, target: str, namespace: str, output: str | None,
    out: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Show what the columns of a query, statement or script come from.

    FILE has the SQL; - reads it from stdin. Needs no project, no dbt and no database. Of a script, the relations that a
    later statement reads are read through.
    """
    from batch_audit.lineage.explore.from_sql import check_dialect, parse_schema, read_sql
    from batch_audit.lineage.explore.slices import take, take_all

    settings = Settings.from_options(formats=_FORMATS, format=output, quiet=quiet)
    text = _text(file)
    chosen, whence = (check_dialect(dialect), "") if dialect else _default_dialect(settings)
    schema = parse_schema(_text(str(schema_file)), str(schema_file)) if schema_file else {}
    place = "stdin" if file == _STDIN else file
    place = f"{place}, read as {chosen or 'generic SQL'}{whence}"
    known, targets = read_sql(text, chosen, schema, target, place)
    console = people(settings)
    console.print(known.origin.sentence(), markup=False, soft_wrap=True)
    trees = [take(known, name, directions=["upstream"]) for name in targets]
    write_slice(settings, take_all(known), out, namespace, trees)


def _text(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}.") from error


def _default_dialect(settings: Settings) -> tuple[str | None, str]:
    """The dialect of the project that we stand in, and how it was found."""
    from batch_audit.cli.lineage.of import artifacts_of

    artifacts = artifacts_of(settings, None)
    if isinstance(artifacts, ConfigurationError) or artifacts.project.dialect is None:
        return None, " (--dialect names another)"
    return artifacts.project.dialect, " (the dialect of dbt's manifest)"
