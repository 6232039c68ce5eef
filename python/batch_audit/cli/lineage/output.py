"""Where the answers of `batch-audit lineage` go."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batch_audit.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from batch_audit.lineage.explore.slices import Slice
    from batch_audit.settings import Settings

OUT = click.option(
    "--out", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write to instead of stdout."
)  # fmt: skip
_UNBROKEN = 100_000
"""Columns of a text that is not for a terminal: whoever reads it breaks its lines."""


def write(content: str, out: Path | None) -> None:
    """Write an answer to stdout, or into a file. Raises ConfigurationError if that cannot be written."""
    if out is None:
        click.echo(content.encode("utf-8", "replace"), nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error}.\n  Give another --out.") from error


def paint(parts: Iterable[Any], out: Path | None) -> None:
    """Write what rich draws: in colour on a terminal, plain and unbroken elsewhere."""
    from rich.console import Console

    if out is None and sys.stdout.isatty():
        _print(Console(highlight=False), parts)
        return
    text = StringIO()
    _print(Console(file=text, highlight=False, width=_UNBROKEN, no_color=True, force_terminal=False), parts)
    write("".join(line.rstrip() + "\n" for line in text.getvalue().splitlines()), out)


def _print(console: Console, parts: Iterable[Any]) -> None:
    for part in parts:
        console.print(part)


def write_slice(
    settings: Settings, found: Slice, out: Path | None, namespace: str, trees: Sequence[Slice] = ()
) -> None:  # fmt: skip
    """Write a slice in the format of the settings; as trees, those of `trees` in its place where there are any."""
    from batch_audit.cli import as_text
    from batch_audit.lineage.explore.facet import as_openlineage
    from batch_audit.lineage.explore.machine import as_csv, as_json
    from batch_audit.lineage.explore.mermaid import as_mermaid
    from batch_audit.lineage.explore.paint import painted

    written: dict[str, Callable[[], str]] = {
        "json": lambda: as_text(as_json(found)),
        "csv": lambda: as_csv(found),
        "mermaid": lambda: as_mermaid(found),
        "openlineage": lambda: as_text(as_openlineage(found, namespace)),
    }
    if settings.format in written:
        write(written[settings.format](), out)
    else:
        paint((part for tree in trees or [found] for part in painted(tree)), out)
