"""Merkle roots over row hashes (docs/reference/store.md, "Merkle root")."""

from __future__ import annotations

from collections.abc import Sequence

from batch_audit.ledger.text import FORMAT_VERSION, sha256_hex

FAN_OUT = 256


class EmptyTreeError(ValueError):
    """There is no root over no leaves: an empty table has a block with `leaf_count = 0` and a NULL root."""


def node_hash(level: int, children: Sequence[str]) -> str:
    """Hash of one node over its children's hex hashes; the level and the count keep trees of other shapes apart."""
    return sha256_hex(f"{FORMAT_VERSION}|node|{level}|{len(children)}|{''.join(children)}")


def merkle_root(leaves: Sequence[str], fan_out: int = FAN_OUT) -> str:
    """Root over hex leaf hashes in the given order (RFC 6962, section 2.1, widened; no leaf is ever repeated).

    Raises EmptyTreeError for no leaves.
    """
    if not leaves:
        raise EmptyTreeError("a Merkle root needs at least one leaf")
    return root_over_nodes(_parents(1, leaves, fan_out), fan_out)


def root_over_nodes(nodes: Sequence[str], fan_out: int = FAN_OUT) -> str:
    """Root over the level 1 nodes of a tree, as a warehouse computes them.

    Raises EmptyTreeError for no nodes.
    """
    if not nodes:
        raise EmptyTreeError("a Merkle root needs at least one node")
    level = 1
    while len(nodes) > 1:
        level += 1
        nodes = _parents(level, nodes, fan_out)
    return nodes[0]


def _parents(level: int, children: Sequence[str], fan_out: int) -> list[str]:
    return [node_hash(level, children[start : start + fan_out]) for start in range(0, len(children), fan_out)]
