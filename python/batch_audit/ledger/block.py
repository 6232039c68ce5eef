"""Blocks: what they cover, their hash, and the chain that links them (docs/reference/store.md, "Block")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise

from batch_audit.ledger.damage import Damage
from batch_audit.ledger.tables import BLOCK
from batch_audit.ledger.text import FORMAT_VERSION, row_text, sha256_hex

FIRST_PREVIOUS_HASH = "0" * 64


@dataclass(frozen=True)
class Tree:
    """The rows of one table in one segment: how many there are, and their Merkle root (None for no rows)."""

    leaf_count: int
    merkle_root: str | None


EMPTY_TREE = Tree(0, None)


@dataclass(frozen=True)
class Block:
    """One row of `audit_block`, its fields in declared order; `sealed_at` in microseconds since 1970-01-01 UTC."""

    block_no: int
    segment: str
    table_name: str
    format_version: str
    leaf_count: int
    merkle_root: str | None
    previous_hash: str
    block_hash: str
    sealed_at: int

    def expected_hash(self) -> str:
        """The hash of every column but `block_hash` itself."""
        fields = (
            value for name, value in zip(BLOCK.columns, astuple(self), strict=True) if name != "block_hash"
        )
        return sha256_hex(row_text(BLOCK.name, tuple(fields)))


def next_block(previous: Block | None, segment: str, table_name: str, tree: Tree, sealed_at: int) -> Block:
    """The block that follows `previous` (None for the first block of a store)."""
    number = previous.block_no + 1 if previous else 1
    previous_hash = previous.block_hash if previous else FIRST_PREVIOUS_HASH
    root = tree.merkle_root
    draft = Block(
        number, segment, table_name, FORMAT_VERSION, tree.leaf_count, root, previous_hash, "", sealed_at
    )
    return Block(**{**vars(draft), "block_hash": draft.expected_hash()})


def chain_damages(blocks: Sequence[Block]) -> Iterator[Damage]:
    """What is wrong with the chain itself, in its order; `blocks` are sorted by `block_no`."""
    if not blocks:
        yield Damage("nothing_sealed", BLOCK.name)
        return
    if blocks[0].block_no > 1:
        yield _gap(1, blocks[0])
    elif blocks[0].previous_hash != FIRST_PREVIOUS_HASH:
        yield _of(blocks[0], "block_relinked", "the first block must follow 64 zeros")
    for block in blocks:
        yield from _block_damages(block)
    for before, after in pairwise(blocks):
        yield from _link_damages(before, after)


def _block_damages(block: Block) -> Iterator[Damage]:
    if block.block_no < 1:
        yield _of(block, "block_misnumbered", "block numbers count from 1")
    if block.format_version != FORMAT_VERSION:
        yield _of(
            block,
            "block_unknown_format",
            f"format_version is {block.format_version!r}, known is {FORMAT_VERSION!r}",
        )
    elif block.expected_hash() != block.block_hash:
        yield _of(
            block,
            "block_edited",
            f"its columns hash to {block.expected_hash()}, not to its block_hash {block.block_hash}",
        )


def _link_damages(before: Block, after: Block) -> Iterator[Damage]:
    if after.block_no > before.block_no + 1:
        yield _gap(before.block_no + 1, after)
    elif after.block_no == before.block_no:
        yield _of(after, "block_misnumbered", f"two blocks have the number {after.block_no}")
    elif after.previous_hash != before.block_hash:
        detail = f"it follows {after.previous_hash}, but block {before.block_no} is {before.block_hash}"
        yield _of(after, "block_relinked", detail)


def _gap(first: int, found: Block) -> Damage:
    numbers = (
        f"block {first} is" if first == found.block_no - 1 else f"blocks {first} to {found.block_no - 1} are"
    )
    return Damage("block_missing", BLOCK.name, block_no=first, detail=f"{numbers} not there")


def _of(block: Block, kind: str, detail: str) -> Damage:
    return Damage(kind, BLOCK.name, block_no=block.block_no, segment=block.segment, detail=detail)
