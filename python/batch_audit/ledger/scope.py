"""Which segments a verification recomputes. Of the others only the blocks are checked, as links of the chain."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from batch_audit.ledger import store_sql
from batch_audit.ledger.block import Block
from batch_audit.warehouses.base import Warehouse


@dataclass(frozen=True)
class Scope:
    """`since`: segments whose last block is not behind this one are left out. `only`: the sample that was drawn."""

    since: int = 0
    only: frozenset[str] | None = None

    @property
    def whole(self) -> bool:
        """True if everything is recomputed."""
        return self.since == 0 and self.only is None

    def condition(self, warehouse: Warehouse) -> str:
        """SQL that holds for the rows to be read."""
        if self.only is not None:
            return store_sql.in_segments(warehouse, self.only)
        if self.since == 0:
            return "1 = 1"
        before = (
            f"select segment from {warehouse.table('audit_block')} where segment is not null"
            f" group by segment having max(block_no) <= {int(self.since)}"
        )
        return f"(segment is null or segment not in ({before}))"

    def sealed_segments(self, blocks: Sequence[Block]) -> set[str]:
        """The sealed segments that are recomputed."""
        newest: dict[str, int] = {}
        for block in blocks:
            newest[block.segment] = max(block.block_no, newest.get(block.segment, 0))
        return {
            segment
            for segment, block_no in newest.items()
            if block_no > self.since and (self.only is None or segment in self.only)
        }


def drawn(blocks: Sequence[Block], *, since: int = 0, sample: int | None = None) -> Scope:
    """The scope from a block on, and of so many sealed segments drawn by chance (None: all)."""
    if sample is None:
        return Scope(since)
    eligible = sorted(segment for segment in Scope(since).sealed_segments(blocks) if segment is not None)
    # Whoever could foresee the draw would know where an edit is safe.
    chosen = random.SystemRandom().sample(eligible, min(sample, len(eligible)))
    return Scope(since, frozenset(chosen))
