"""What a digest says, as an in-toto Statement (docs/reference/digests.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from batch_audit.digest.canonical import canonical, members, read_canonical
from batch_audit.errors import UnknownFormatError, UnreadableError
from batch_audit.ledger.tables import SEALED

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://pypi.org/project/dbt-batch-audit/digest/v1"
FORMAT: Final = "v1"
_NULLABLE: Final = (str, type(None))
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Store:
    """Which store: `genesis` is the hash of its first block, `incarnation` counts from 1, one more after a restore.

    `identity` is what the database says of itself that a restored copy usually does not share; None is unknown.
    """

    engine: str
    database: str
    schema: str
    genesis: str
    incarnation: int
    identity: str | None


@dataclass(frozen=True)
class Head:
    """The newest block."""

    block_no: int
    block_hash: str
    sealed_at: int


@dataclass(frozen=True)
class Digest:
    """One statement; times are microseconds since 1970-01-01 UTC, hashes lower-case hex SHA-256.

    `sequence` counts digests from 1 and `previous_digest` is the hash of the one before. `sealed_rows` are the sealed
    rows by table. `batch_id` is the batch at whose end it was written. `signed_by` is a key's id, None if nobody
    signs it; `next_key` the public key (PEM) that signs the digests after this one. `restored` is what the operator
    said when the store went on from an older copy.
    """

    sequence: int
    previous_digest: str | None
    made_at: int
    store: Store
    head: Head
    sealed_rows: Mapping[str, int]
    batch_id: str | None = None
    signed_by: str | None = None
    next_key: str | None = None
    restored: str | None = None

    def payload(self) -> bytes:
        """The statement as canonical JSON: the exact bytes that are signed and hashed."""
        subject = {
            "name": f"{self.store.database}.{self.store.schema} block {self.head.block_no}",
            "digest": {"sha256": self.head.block_hash},
        }
        return canonical(
            {
                "_type": STATEMENT_TYPE,
                "subject": [subject],
                "predicateType": PREDICATE_TYPE,
                "predicate": {"format": FORMAT, **asdict(self)},
            }
        )


def read_payload(payload: bytes) -> Digest:
    """The digest that a payload states.

    Raises UnknownFormatError for a statement of another kind or version, UnreadableError for anything else that is
    not exactly a digest.
    """
    statement = members(
        read_canonical(payload), "the statement", _type=str, subject=list, predicateType=str, predicate=dict
    )
    predicate = dict(statement["predicate"])
    said = (statement["_type"], statement["predicateType"], predicate.pop("format", None))
    if said != (STATEMENT_TYPE, PREDICATE_TYPE, FORMAT):
        raise UnknownFormatError(
            f"it is a statement of type {said[1]!r:.120}, format {said[2]!r:.40};"
            f" known is {PREDICATE_TYPE!r}, format {FORMAT!r}"
        )
    digest = _digest(predicate)
    if digest.payload() != payload:
        raise UnreadableError("the subject of its statement is not the block that it speaks of")
    return digest


def _digest(predicate: dict[str, Any]) -> Digest:
    members(
        predicate, "the digest", sequence=int, previous_digest=_NULLABLE, made_at=int, store=dict, head=dict,
        sealed_rows=dict, batch_id=_NULLABLE, signed_by=_NULLABLE, next_key=_NULLABLE, restored=_NULLABLE,
    )  # fmt: skip
    store = members(
        predicate["store"], "the store", engine=str, database=str, schema=str, genesis=str, incarnation=int,
        identity=_NULLABLE,
    )  # fmt: skip
    head = members(predicate["head"], "the head", block_no=int, block_hash=str, sealed_at=int)
    rows = members(predicate["sealed_rows"], "sealed_rows", **{table.name: int for table in SEALED})
    digest = Digest(**{**predicate, "store": Store(**store), "head": Head(**head), "sealed_rows": rows})
    hashes = [digest.store.genesis, digest.head.block_hash]
    hashes += [text for text in (digest.previous_digest, digest.signed_by) if text is not None]
    if any(not _HASH.fullmatch(text) for text in hashes):
        raise UnreadableError("one of its hashes is not a hash")
    first = digest.previous_digest is None
    counts = (digest.sequence, digest.head.block_no, digest.store.incarnation)
    if min(counts) < 1 or min(rows.values()) < 0 or first != (digest.sequence == 1):
        raise UnreadableError("its numbers cannot be: they count from 1, and only the first follows none")
    return digest
