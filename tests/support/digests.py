"""Chains of blocks and digests of them, made by the product's own pure parts, without a warehouse."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from batch_audit.digest.digest import Digest, Head, Store
from batch_audit.digest.envelope import Signed, sign
from batch_audit.digest.folder import Given
from batch_audit.digest.keys import key_id, public_pem
from batch_audit.digest.witness import Line, lines_for
from batch_audit.ledger.block import Block, Tree, next_block
from batch_audit.ledger.tables import SEALED
from batch_audit.ledger.text import sha256_hex

NOW_US = 1_800_000_000_000_000


@cache
def key(number: int) -> CryptoSigner:
    """Always the same key for a number."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key(), key_id(private.public_key())))


def pem(number: int) -> bytes:
    """The public key of that number as a file holds it."""
    return public_pem(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key()).encode()


def chain(segments: int, salt: str = "") -> list[Block]:
    """The blocks of so many segments, of one row in each table; another salt gives other roots."""
    blocks: list[Block] = []
    for number in range(segments):
        for table in SEALED:
            tree = Tree(1, sha256_hex(f"{salt}{number}{table.name}"))
            blocks.append(
                next_block(blocks[-1] if blocks else None, f"s{number}", table.name, tree, NOW_US + number)
            )
    return blocks


def digest_of(
    blocks: Sequence[Block],
    previous: Signed | None = None,
    signer: CryptoSigner | None = None,
    incarnation: int = 1,
    **said: object,
) -> Signed:
    """The digest of a chain that follows another digest."""
    head = blocks[-1]
    digest = Digest(
        sequence=previous.digest.sequence + 1 if previous else 1,
        previous_digest=previous.hash if previous else None,
        made_at=NOW_US + head.block_no,
        store=Store("duckdb", "shop", "main_audit", blocks[0].block_hash, incarnation, "file 1"),
        head=Head(head.block_no, head.block_hash, head.sealed_at),
        sealed_rows={table.name: sum(b.table_name == table.name for b in blocks) for table in SEALED},
        signed_by=signer.public_key.keyid if signer else None,
    )
    return sign(replace(digest, **said), signer)  # type: ignore[arg-type]


def digests_of(blocks: Sequence[Block], signer: CryptoSigner | None = None) -> list[Signed]:
    """One digest after each segment."""
    found: list[Signed] = []
    for end in range(len(SEALED), len(blocks) + 1, len(SEALED)):
        found.append(digest_of(blocks[:end], found[-1] if found else None, signer))
    return found


def given(digests: Sequence[Signed]) -> list[Given]:
    """Digests as if they had been read from files."""
    return [Given(f"digest-{signed.digest.sequence}.json", signed) for signed in digests]


def lines_of(digests: Sequence[Signed]) -> list[Line]:
    """What the witness remembers of digests."""
    return list(lines_for(None, digests))
