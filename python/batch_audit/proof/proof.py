"""An inclusion proof: an event's row text, its way up the Merkle tree, the blocks from there to a digest's head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

from batch_audit.digest.canonical import canonical, members, read_canonical
from batch_audit.digest.envelope import Signed, read_envelope
from batch_audit.errors import UnknownFormatError, UnreadableError
from batch_audit.ledger.block import Block
from batch_audit.ledger.merkle import FAN_OUT
from batch_audit.ledger.tables import BIGINTS, BLOCK, COMMITTED, EVENT
from batch_audit.ledger.text import NULL_FIELD, payload_commitment, row_text, sha256_hex

FORMAT: Final = "batch-audit proof v1"
LARGEST: Final = 64 << 20
_NULLABLE: Final = (str, type(None))


@dataclass(frozen=True)
class Step:
    """One node of the Merkle tree: its level, its children's number, and their hashes before and after ours."""

    level: int
    children: int
    before: str
    after: str

    def hash_over(self, child: str) -> str:
        """The node's hash when `child` is our place in it. Raises UnreadableError if the numbers do not fit."""
        text = f"{self.before}{child}{self.after}"
        if len(text) != 64 * self.children or len(self.before) % 64 or not 1 <= self.children <= FAN_OUT:
            raise UnreadableError(
                f"its node of level {self.level} has not the {self.children} children that it says"
            )
        return sha256_hex(f"v1|node|{self.level}|{self.children}|{text}")


@dataclass(frozen=True)
class Proof:
    """`blocks` begin with the one over the event's row and end with the head of `digest`, which may be missing.

    `payload` are salt, old_hash, record_hash, old_value, new_value, if they were asked for.
    """

    row_text: str
    path: Sequence[Step]
    blocks: Sequence[Block]
    digest: Signed | None = None
    payload: Mapping[str, str | None] | None = None

    @property
    def event(self) -> dict[str, str | None]:
        """The event's columns as its row text says them. Raises UnreadableError for a text that is no event's."""
        fields = [_value(field) for field in self.row_text.split("|")[3:]]
        if len(fields) != len(EVENT.hashed) or row_text(EVENT.name, fields) != self.row_text:
            raise UnreadableError("its row text is not that of an event")
        return dict(zip(EVENT.hashed, fields, strict=True))

    def file(self) -> bytes:
        """The proof as it is kept: canonical JSON and a line break."""
        value = {
            "format": FORMAT,
            "row_text": self.row_text,
            "path": [asdict(step) for step in self.path],
            "blocks": [asdict(block) for block in self.blocks],
            "digest": self.digest and self.digest.as_json(),
            "payload": self.payload,
        }
        return canonical(value) + b"\n"


def _value(field: str) -> str | None:
    return None if field == NULL_FIELD else field.replace("~1", "|").replace("~0", "~")


def read_proof(data: bytes) -> Proof:
    """The proof in a file; whether it holds is for `problems`. Raises UnknownFormatError or UnreadableError."""
    value = read_canonical(data.removesuffix(b"\n"), LARGEST)
    if isinstance(value, dict) and value.get("format") != FORMAT:
        raise UnknownFormatError(f"its format is {value.get('format')!r:.60}, known is {FORMAT!r}")
    found = members(
        value, "the proof", format=str, row_text=str, path=list, blocks=list, digest=(dict, type(None)),
        payload=(dict, type(None)),
    )  # fmt: skip
    path = [members(item, "a node", level=int, children=int, before=str, after=str) for item in found["path"]]
    payload = found["payload"]
    if payload is not None:
        members(payload, "the payload", **dict.fromkeys(COMMITTED, _NULLABLE))
    return Proof(
        found["row_text"],
        [Step(**item) for item in path],
        [_block(item) for item in found["blocks"]],
        None if found["digest"] is None else read_envelope(found["digest"]),
        payload,
    )


def _block(value: Any) -> Block:
    kinds: dict[str, Any] = {name: int if name in BIGINTS else str for name in BLOCK.columns}
    return Block(**members(value, "a block", **kinds | {"merkle_root": _NULLABLE}))


def problems(proof: Proof) -> Iterator[str]:
    """What does not hold, in the order of the proof; nothing if the event is under the last of its blocks.

    Raises UnreadableError where the proof is not even a proof.
    """
    event = proof.event
    if not proof.blocks or not proof.path:
        raise UnreadableError("it holds no node or no block")
    found = sha256_hex(proof.row_text)
    for level, step in enumerate(proof.path, start=1):
        if step.level != level:
            raise UnreadableError(
                f"its nodes are not those of level 1, 2 and so on: level {level} is missing"
            )
        found = step.hash_over(found)
    first = proof.blocks[0]
    if found != first.merkle_root:
        yield f"the event and its path give the root {found}, block {first.block_no} says {first.merkle_root}"
    if (first.segment, first.table_name) != (event["segment"], EVENT.name):
        yield f"block {first.block_no} covers {first.table_name} of segment {first.segment}, not this event"
    yield from _chain_problems(proof.blocks)
    if proof.digest is not None:
        head, last = proof.digest.digest.head, proof.blocks[-1]
        if (head.block_no, head.block_hash) != (last.block_no, last.block_hash):
            yield f"the digest speaks of block {head.block_no}, the proof ends with block {last.block_no}"
    if proof.payload is not None:
        commitment = payload_commitment(**proof.payload)
        if commitment != event["payload_commitment"]:
            yield "the payload is not the one that the event committed to"


def _chain_problems(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if block.expected_hash() != block.block_hash:
            yield f"block {block.block_no} does not hash to its block_hash"
    for before, after in pairwise(blocks):
        if (after.block_no, after.previous_hash) != (before.block_no + 1, before.block_hash):
            yield f"block {after.block_no} does not follow block {before.block_no}"
