"""Merkle roots: as the golden vectors have them, and different for different leaves, counts and orders."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.ledger.merkle import EmptyTreeError, merkle_root, node_hash, root_over_nodes
from batch_audit.ledger.text import sha256_hex
from tests.support.golden import golden

GOLDEN = golden("merkle")["roots"]
LEAVES = st.lists(st.integers(0, 5).map(lambda number: sha256_hex(str(number))), min_size=1, max_size=30)


@pytest.mark.parametrize(
    "vector", [v for v in GOLDEN if v["leaves"]], ids=lambda vector: str(vector["leaves"])
)
def test_root_is_as_specified(vector: dict[str, Any]) -> None:
    leaves = [sha256_hex(str(number)) for number in range(vector["leaves"])]

    assert merkle_root(leaves) == vector["root"]


def test_no_leaves_have_no_root() -> None:
    with pytest.raises(EmptyTreeError):
        merkle_root([])
    with pytest.raises(EmptyTreeError):
        root_over_nodes([])


def test_one_leaf_has_a_node_over_it() -> None:
    leaf = sha256_hex("0")

    assert merkle_root([leaf]) == sha256_hex(f"v1|node|1|1|{leaf}") != leaf


def test_a_repeated_last_leaf_changes_the_root() -> None:
    leaves = [sha256_hex(str(number)) for number in range(3)]

    assert merkle_root(leaves) != merkle_root([*leaves, leaves[-1]])


@given(LEAVES, LEAVES, st.integers(2, 5))
def test_different_leaves_have_different_roots(one: list[str], other: list[str], fan_out: int) -> None:
    assert (merkle_root(one, fan_out) == merkle_root(other, fan_out)) == (one == other)


@given(LEAVES, st.integers(2, 5))
def test_a_tree_can_be_finished_from_the_nodes_over_its_leaves(leaves: list[str], fan_out: int) -> None:
    groups = [leaves[start : start + fan_out] for start in range(0, len(leaves), fan_out)]

    assert root_over_nodes([node_hash(1, group) for group in groups], fan_out) == merkle_root(leaves, fan_out)


@given(LEAVES)
def test_leaves_are_never_taken_for_nodes(leaves: list[str]) -> None:
    assert merkle_root(leaves) != merkle_root([merkle_root(leaves)])
