"""`batch-audit verify-proof`: check a proof without the warehouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("proof_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option(
    "--public-key", "public_keys", type=_PATH, multiple=True, metavar="FILE.pub",
    help="Public key that signed the digest. May be given several times.",
)  # fmt: skip
@click.option(
    "--digest", "digests", type=_PATH, multiple=True, metavar="FILE|DIR",
    help="Digests of your own: the one in the proof must be among them, or be signed.",
)  # fmt: skip
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help="json for machines."
)
def command(proof_file: Path, public_keys: tuple[Path, ...], digests: tuple[Path, ...], output: str) -> None:
    """Check such a proof, without the warehouse.

    It prints the event only if the proof holds and its digest is signed by the given key, or is one that you hold.
    Else the exit status is 1, with the reason.
    """
    from batch_audit.cli.prove import read_digests
    from batch_audit.digest.keys import public_pem_of
    from batch_audit.errors import UnreadableError
    from batch_audit.proof.check import check
    from batch_audit.proof.proof import LARGEST, read_proof

    try:
        with proof_file.open("rb") as file:
            data = file.read(LARGEST + 2)
    except OSError as error:
        raise UnreadableError(f"The proof {proof_file} cannot be read: {error.strerror or error}.") from error
    keys = [public_pem_of(path).encode() for path in public_keys]
    own = read_digests(digests)
    try:
        proof = read_proof(data)
        why = check(proof, keys, own)
        event = proof.event
    except UnreadableError as error:
        raise UnreadableError(f"{proof_file} is not a proof that can be checked: {error}.") from error
    found: dict[str, Any] = {"verdict": "proven", "why": why, "event": event, "payload": proof.payload}
    if output == "json":
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    click.echo(f"proven: {why}; the event is in block {proof.blocks[0].block_no}")
    for name, value in (*event.items(), *(proof.payload or {}).items()):
        if value is not None:
            # As JSON: a value may hold what a terminal would obey.
            click.echo(f"  {name}  {json.dumps(value)}")
