"""`batch-audit keys`: make the key that signs digests."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.group()
def command() -> None:
    """Make the key that signs digests."""


@command.command("new")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
    help="File of the private key; the public key gets the same name with .pub behind it.",
)  # fmt: skip
def new(out: Path) -> None:
    """Make a new Ed25519 key.

    The private key is for its owner alone (0600), and encrypted if BATCH_AUDIT_KEY_PASSPHRASE is set. Keep it where
    batches run, not in the warehouse. Give the public key to whoever verifies.
    """
    from batch_audit.digest.keys import PASSPHRASE, new_key

    passphrase = os.environ.get(PASSPHRASE) or None
    key_id, public = new_key(out, passphrase)
    click.echo(
        f"private key  {out} ({'encrypted' if passphrase else f'not encrypted; set {PASSPHRASE} to encrypt'})"
    )
    click.echo(f"public key   {public}")
    click.echo(f"key id       {key_id}")


@command.command("id")
@click.argument("public_key", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.pub")
def show_id(public_key: Path) -> None:
    """Print the id of a public key, as digests name it."""
    from batch_audit.digest.keys import read_public_key

    click.echo(read_public_key(public_key).keyid)
