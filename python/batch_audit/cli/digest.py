"""`batch-audit digest`: write a signed statement of the chain's head, to keep outside the warehouse."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import EvidenceIncomplete
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.digest.publish import Request


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), envvar="BATCH_AUDIT_DIGEST_DIR", metavar="DIR|FILE",
    help="Folder of the digests, or a .json file in it. Default: print it. [env: BATCH_AUDIT_DIGEST_DIR]",
)  # fmt: skip
@click.option(
    "--key", envvar="BATCH_AUDIT_KEY", metavar="FILE",
    help="Private key to sign with (see batch-audit keys); without it the digest is unsigned. The variable may hold"
    " the PEM text itself. [env: BATCH_AUDIT_KEY, BATCH_AUDIT_KEY_PASSPHRASE]",
)  # fmt: skip
@click.option(
    "--witness", type=click.Path(path_type=Path, dir_okay=False), envvar="BATCH_AUDIT_WITNESS",
    help="File that remembers every digest. [env: BATCH_AUDIT_WITNESS]",
)  # fmt: skip
@click.option(
    "--next-key", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.pub",
    help="Public key that signs from the next digest on.",
)  # fmt: skip
@click.option("--restored", metavar="WHY", help="Say that you restored an older copy of the store, and why.")
@click.option(
    "--timestamp-url", envvar="BATCH_AUDIT_TIMESTAMP_URL", metavar="URL",
    help="Attach a timestamp of this RFC 3161 authority. [env: BATCH_AUDIT_TIMESTAMP_URL]",
)  # fmt: skip
@common_options
def command(
    settings: Settings,
    *,
    out: Path | None,
    key: str | None,
    witness: Path | None,
    next_key: Path | None,
    restored: str | None,
    timestamp_url: str | None,
) -> None:
    """Write a signed digest to keep outside the warehouse.

    A digest states the newest block of the chain, how many rows are sealed, and the digest before it. Whoever keeps it
    where the warehouse's administrators cannot write can show later that nothing up to that block was changed:
    `batch-audit verify --digest`. `batch-audit run --digest-dir` writes one after every batch.

    The exit status is 1 if the store does not hold what the digest before vouches for, 4 if the digest could not be
    written, or lacks its timestamp.
    """
    from batch_audit.digest.publish import as_json, publish
    from batch_audit.warehouses import open_warehouse

    request = _request(out, key, witness, next_key, restored, timestamp_url)
    warehouse = open_warehouse(settings)
    try:
        published = publish(warehouse, request)
    finally:
        warehouse.close()
    if settings.format == "json":
        machines(as_json(published))
    elif published.path is None:
        click.echo(published.signed.file().decode(), nl=False)
    digest = published.signed.digest
    signed = (
        f"signed by key {digest.signed_by}"
        if digest.signed_by
        else "NOT SIGNED: anybody could have written it"
    )
    where = f" in {published.path}" if published.path else ""
    people(settings).print(
        f"digest {digest.sequence}{where}: block {digest.head.block_no}, {signed}",
        markup=False,
        soft_wrap=True,
    )
    if published.missing:
        people(settings).print(published.missing, markup=False, soft_wrap=True)
        sys.exit(EvidenceIncomplete.exit_code)


def _request(
    out: Path | None,
    key: str | None,
    witness: Path | None,
    next_key: Path | None,
    restored: str | None,
    timestamp_url: str | None,
) -> Request:
    from batch_audit.digest.keys import public_pem_of, signer
    from batch_audit.digest.publish import Request
    from batch_audit.errors import ConfigurationError

    if next_key is not None and key is None:
        raise ConfigurationError("--next-key names the key that follows: sign that with the old one, --key.")
    if restored is not None and not restored.strip():
        raise ConfigurationError("--restored needs a reason: say which backup was put back, and why.")
    return Request(
        out=out,
        witness=witness,
        signer=signer(key, os.environ) if key else None,
        next_key=public_pem_of(next_key) if next_key else None,
        restored=restored,
        timestamp_url=timestamp_url,
    )
