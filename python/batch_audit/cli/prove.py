"""`batch-audit prove`: write a proof that an event is in the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.digest.envelope import Signed

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("event_id", metavar="EVENT_ID")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option(
    "--digest", "digests", type=_PATH, multiple=True, envvar="BATCH_AUDIT_DIGEST_DIR", metavar="FILE|DIR",
    help="Digests, of which the first that vouches for the event goes into the proof. [env: BATCH_AUDIT_DIGEST_DIR]",
)  # fmt: skip
@click.option("--with-payload", is_flag=True, help="Put the before and after values into it, too.")
@common_options
def command(
    settings: Settings, *, event_id: str, out: Path, digests: tuple[Path, ...], with_payload: bool
) -> None:
    """Write a proof that an event is in the store.

    The file holds the event, the hashes that lead from it to its block, the blocks from there to a digest's, and the
    digest. Who has the public key can check it without the warehouse: `batch-audit verify-proof`.

    Before and after values are only in it with --with-payload; without them the proof shows their hash.
    """
    from batch_audit.errors import ConfigurationError
    from batch_audit.proof.prove import prove
    from batch_audit.warehouses import open_warehouse

    given = read_digests(digests)
    warehouse = open_warehouse(settings)
    try:
        proof = prove(warehouse, event_id.strip().lower(), given, with_payload=with_payload)
    finally:
        warehouse.close()
    content = proof.file()
    try:
        from batch_audit.durable import write_durably

        write_durably(out, content)
    except OSError as error:
        raise ConfigurationError(f"The proof cannot be written to {out}: {error}.") from error
    digest = proof.digest.digest if proof.digest else None
    if settings.format == "json":
        machines({"file": str(out), "bytes": len(content), "digest": digest and digest.sequence})
    to = (
        f"up to digest {digest.sequence}" if digest else "WITHOUT a digest, so nothing outside vouches for it"
    )
    people(settings).print(
        f"proof of a {proof.event['event_type']} in {out} ({len(content):,} bytes), {to}",
        markup=False,
        soft_wrap=True,
    )


def read_digests(paths: tuple[Path, ...]) -> list[Signed]:
    """The digests at these places. Raises UnreadableError for one that cannot be read."""
    from batch_audit.digest.folder import files_of, read_digest
    from batch_audit.errors import UnreadableError

    found = [read_digest(file) for path in paths for file in files_of(path)]
    for given in found:
        if given.problem is not None:
            raise UnreadableError(f"The digest {given.name} cannot be used: {given.problem}.")
    return [given.signed for given in found if given.signed]
