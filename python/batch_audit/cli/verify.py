"""`batch-audit verify`: prove the store, or name the first wrong thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import VerificationFailed
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from batch_audit.ledger.observed import Progress

_SHOW_AFTER_S = 1.0
_PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--local", is_flag=True, help="Read every row and compute everything in Python, not in SQL (slow)."
)
@click.option(
    "--digest", "digests", type=_PATH, multiple=True, metavar="FILE|DIR",
    help="A digest, or a folder of them, to hold against the store. May be given several times.",
)  # fmt: skip
@click.option("--witness", type=_PATH, help="The witness to hold against the digests and the store.")
@click.option(
    "--public-key", "public_keys", type=_PATH, multiple=True, metavar="FILE.pub",
    help="Public key that the digests are signed with. May be given several times.",
)  # fmt: skip
@click.option(
    "--timestamp-ca", "authorities", type=_PATH, multiple=True, metavar="FILE.pem",
    help="Root certificate of the timestamp authority. May be given several times.",
)  # fmt: skip
@click.option(
    "--since", type=click.IntRange(min=0), default=0, metavar="BLOCK",
    help="Recompute only what was sealed after this block, for example the newest that a digest vouched for.",
)  # fmt: skip
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="N", help="Recompute only N sealed segments, drawn by chance."
)  # fmt: skip
@common_options
def command(
    settings: Settings,
    *,
    local: bool,
    digests: tuple[Path, ...],
    witness: Path | None,
    public_keys: tuple[Path, ...],
    authorities: tuple[Path, ...],
    since: int,
    sample: int | None,
) -> None:
    """Prove that nobody altered the store, or name what is wrong.

    Recomputes every event's hash, every payload's commitment, every Merkle root and the chain of blocks. It only
    reads. Exit status 1 if anything is wrong, or if there was nothing to check.

    What it cannot see without a digest kept outside the warehouse: the newest blocks removed together with their
    rows, or everything rewritten from some block on. With --digest it also checks the digests' signatures and order,
    and that each one's block is on record with the same hash. With --witness it notices newer digests that are gone.
    """
    from batch_audit.digest.given import evidence_of
    from batch_audit.ledger.describe import describe
    from batch_audit.ledger.verify import verify_store
    from batch_audit.warehouses import open_warehouse

    started = time.monotonic()
    console = people(settings)
    evidence = evidence_of(digests, witness, public_keys, authorities)
    warehouse = open_warehouse(settings)
    try:
        with _progress_bar(console) as progress:
            result = verify_store(
                warehouse, local=local, since=since, sample=sample, evidence=evidence, progress=progress
            )
        store = f"{warehouse.database}.{warehouse.audit_schema}"
    finally:
        warehouse.close()
    if settings.format == "json":
        machines({"store": store, "mode": "local" if local else "sql", **result.as_json()})
    text = describe(result, store=store, seconds=time.monotonic() - started)
    if not result.ok:
        raise VerificationFailed(text)
    console.print(text, markup=False, soft_wrap=True)


@contextmanager
def _progress_bar(console: Console) -> Iterator[Progress | None]:
    """A bar on a terminal, from the moment that the work has taken a second."""
    if not console.is_terminal or console.quiet:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("verifying {task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task("", total=1.0)
    later = threading.Timer(_SHOW_AFTER_S, bar.start)
    later.start()
    try:
        yield lambda reading, share: bar.update(
            task, description=reading.removeprefix("audit_"), completed=share
        )
    finally:
        later.cancel()
        later.join()
        bar.stop()
