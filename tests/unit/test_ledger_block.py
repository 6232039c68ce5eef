"""Blocks and their chain: as the golden vectors have them, and each kind of damage by its name."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.ledger.block import FIRST_PREVIOUS_HASH, Block, Tree, chain_damages, next_block
from tests.support.golden import golden

CHAIN = [Block(**block) for block in golden("blocks")]


def kinds(blocks: list[Block]) -> list[tuple[str, int | None]]:
    return [(damage.kind, damage.block_no) for damage in chain_damages(blocks)]


def rehashed(block: Block, **changes: object) -> Block:
    """An edited block whose own hash was recomputed: what a careful forger leaves."""
    edited = replace(block, **changes)  # type: ignore[arg-type]
    return replace(edited, block_hash=edited.expected_hash())


@pytest.mark.parametrize("block", CHAIN, ids=lambda block: str(block.block_no))
def test_block_hash_is_as_specified(block: Block) -> None:
    assert block.expected_hash() == block.block_hash


def test_blocks_are_made_as_specified() -> None:
    made: list[Block] = []
    for block in CHAIN:
        tree = Tree(block.leaf_count or 0, block.merkle_root)
        made.append(
            next_block(
                made[-1] if made else None, block.segment, block.table_name, tree, block.sealed_at or 0
            )
        )

    assert made == CHAIN


def test_a_whole_chain_has_no_damage() -> None:
    assert kinds(CHAIN) == []


def test_a_store_without_blocks_proves_nothing() -> None:
    assert kinds([]) == [("nothing_sealed", None)]


@pytest.mark.parametrize(
    "edit",
    [
        lambda block: replace(block, segment="other"),
        lambda block: replace(block, table_name="audit_payload"),
        lambda block: replace(block, leaf_count=(block.leaf_count or 0) + 1),
        lambda block: replace(block, leaf_count=None),
        lambda block: replace(block, merkle_root="0" * 64),
        lambda block: replace(block, sealed_at=0),
    ],
    ids=["segment", "table_name", "leaf_count", "leaf_count NULL", "merkle_root", "sealed_at"],
)
def test_an_edited_column_breaks_the_blocks_own_hash(edit: Callable[[Block], Block]) -> None:
    assert kinds([*CHAIN[:3], edit(CHAIN[3]), *CHAIN[4:]]) == [("block_edited", 4)]


def test_an_edited_previous_hash_breaks_the_block_and_its_link() -> None:
    edited = replace(CHAIN[3], previous_hash="1" * 64)

    assert kinds([*CHAIN[:3], edited, *CHAIN[4:]]) == [("block_edited", 4), ("block_relinked", 4)]


def test_an_edited_block_with_a_new_hash_breaks_the_next_link() -> None:
    assert kinds([*CHAIN[:3], rehashed(CHAIN[3], leaf_count=99), *CHAIN[4:]]) == [("block_relinked", 5)]


def test_a_first_block_must_follow_zeros() -> None:
    assert CHAIN[0].previous_hash == FIRST_PREVIOUS_HASH
    assert ("block_relinked", 1) in kinds([rehashed(CHAIN[0], previous_hash="1" * 64), *CHAIN[1:]])


def test_an_unknown_format_is_named_and_not_judged() -> None:
    edited = rehashed(CHAIN[-1], format_version="v2")

    assert kinds([*CHAIN[:-1], edited]) == [("block_unknown_format", 8)]


@pytest.mark.parametrize(
    ("first", "last"), [(1, 1), (1, 3), (3, 3), (3, 5)], ids=["first", "first three", "one", "three"]
)
def test_removed_blocks_are_named_by_the_first(first: int, last: int) -> None:
    left = [block for block in CHAIN if not first <= block.block_no <= last]
    found = list(chain_damages(left))

    assert [(damage.kind, damage.block_no) for damage in found] == [("block_missing", first)]
    assert found[0].detail == (
        f"block {first} is not there" if first == last else f"blocks {first} to {last} are not there"
    )


def test_two_blocks_of_one_number_are_a_fork() -> None:
    fork = rehashed(CHAIN[4], segment="fork")

    assert kinds([*CHAIN[:5], fork, *CHAIN[5:]]) == [("block_misnumbered", 5), ("block_relinked", 6)]


def test_a_block_numbered_below_one_is_misnumbered() -> None:
    assert ("block_misnumbered", 0) in kinds([rehashed(CHAIN[0], block_no=0), *CHAIN])


def test_removed_newest_blocks_leave_a_chain_that_is_whole() -> None:
    """The known limit: only a digest outside the warehouse can show it."""
    assert kinds(CHAIN[:4]) == []


@given(st.integers(0, len(CHAIN) - 1))
def test_a_forged_block_is_found_unless_it_is_the_newest(place: int) -> None:
    blocks = list(CHAIN)
    blocks[place] = rehashed(blocks[place], merkle_root="f" * 64)

    assert bool(kinds(blocks)) == (place < len(CHAIN) - 1)
