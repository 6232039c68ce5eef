"""The judgement: what was read, compared with what the blocks say. Pure; both ways of reading end here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from batch_audit.ledger.block import EMPTY_TREE, Block, Tree, chain_damages
from batch_audit.ledger.damage import Damage
from batch_audit.ledger.observed import Observed
from batch_audit.ledger.scope import Scope
from batch_audit.ledger.tables import BLOCK, COLUMN_EDGE, EVENT, PAYLOAD, RECORD_EDGE, SEALED, SEGMENT

if TYPE_CHECKING:
    from batch_audit.digest.coverage import DigestCoverage, DigestResult

_WHOLE = Scope()
_SEALED_NAMES = tuple(table.name for table in SEALED)


@dataclass(frozen=True)
class Coverage:
    """How much was checked. Unsealed segments are open: their rows are read, but no block vouches for them yet."""

    blocks: int
    segments: int
    events: int
    payloads: int
    erased_payloads: int
    record_edges: int
    column_edges: int
    unsealed_segments: int
    ended_unsealed_segments: int
    """Unsealed segments that hold their batch_end: closing and sealing happen together, so their blocks may be lost."""
    unread_segments: int = 0
    unread_rows: int = 0
    """Sealed segments and rows left out on request: their blocks are checked as links of the chain, their rows not."""


@dataclass(frozen=True)
class VerifyResult:
    """The verdict: what was checked, the first damages in the chain's order, and how many there are of each kind."""

    coverage: Coverage
    damages: tuple[Damage, ...]
    kinds: Mapping[str, int]
    head: Block | None
    """The newest block, to compare with a digest that was kept outside the warehouse."""
    digests: DigestCoverage | None = None
    """What was checked of digests and witness; None if none were given."""

    @property
    def ok(self) -> bool:
        """True if nothing is wrong and at least one block was checked."""
        return not self.kinds

    @property
    def following(self) -> int:
        """The number of damages after the first one."""
        return max(0, sum(self.kinds.values()) - 1)

    def as_json(self) -> dict[str, Any]:
        """The result as plain values, for `--format json`."""
        return {
            "verdict": "ok" if self.ok else "failed",
            "coverage": asdict(self.coverage),
            "damage_count": sum(self.kinds.values()),
            "kinds": dict(self.kinds),
            "damages": [asdict(damage) | {"meaning": damage.meaning} for damage in self.damages],
            "digests": self.digests and self.digests.as_json(),
            "head": self.head and {"block_no": self.head.block_no, "block_hash": self.head.block_hash},
        }


def judge(
    blocks: Sequence[Block], observed: Observed, scope: Scope = _WHOLE, digests: DigestResult | None = None
) -> VerifyResult:
    """Compare what was read with the blocks, which are sorted by `block_no`; `scope` is what was read."""
    log = observed.log
    log.extend(chain_damages(blocks))
    log.extend(digests.damages if digests else ())
    read = scope.sealed_segments(blocks)
    sealed: dict[str, list[Block]] = {}
    for block in blocks:
        sealed.setdefault(block.segment, []).append(block)
    registered = observed.registered
    for segment in sealed.keys() & read:
        log.extend(_set_damages(segment, sealed[segment], registered))
    for block in blocks:
        if block.segment not in read:
            continue
        log.extend(_tree_damages(block, observed.trees.get((block.table_name, block.segment), EMPTY_TREE)))
    for (table, segment), tree in observed.trees.items():
        if segment not in registered and segment not in sealed:
            log.extend(
                [Damage("segment_unregistered", table, segment=segment, detail=f"{tree.leaf_count} rows")]
            )
    return VerifyResult(
        coverage=_coverage(observed, blocks, registered - set(sealed), read),
        damages=log.first(),
        kinds={damage: log.kinds[damage] for damage in sorted(log.kinds)},
        head=blocks[-1] if blocks else None,
        digests=digests.coverage if digests else None,
    )


def _set_damages(segment: str, blocks: Sequence[Block], registered: set[str]) -> Iterator[Damage]:
    """A sealed segment has one block for each sealed table, and is registered."""
    if segment not in registered:
        yield Damage("block_without_segment", BLOCK.name, block_no=blocks[0].block_no, segment=segment)
    names = [block.table_name for block in blocks]
    if tuple(names) != _SEALED_NAMES:
        detail = f"blocks are there for {', '.join(map(str, names))}; expected {', '.join(_SEALED_NAMES)}"
        # At the last one, after the damage to a single block that explains it.
        yield Damage(
            "block_set_incomplete", BLOCK.name, block_no=blocks[-1].block_no, segment=segment, detail=detail
        )


def _tree_damages(block: Block, found: Tree) -> Iterator[Damage]:
    """The rows of one table in one segment against their block."""
    sealed, now = block.leaf_count or 0, found.leaf_count
    if now != sealed:
        kind, difference = ("rows_missing", sealed - now) if now < sealed else ("rows_added", now - sealed)
        detail = f"{sealed} rows were sealed, {now} are there: {difference} {'too few' if now < sealed else 'too many'}"
    elif found.merkle_root != block.merkle_root:
        kind = "rows_altered"
        detail = f"the {now} rows give the root {found.merkle_root}, the block says {block.merkle_root}"
    else:
        return
    if block.table_name in _SEALED_NAMES:
        yield Damage(kind, block.table_name, block_no=block.block_no, segment=block.segment, detail=detail)


def _coverage(observed: Observed, blocks: Sequence[Block], unsealed: set[str], read: set[str]) -> Coverage:
    rows = observed.rows
    unread = [block for block in blocks if block.segment not in read]
    return Coverage(
        blocks=len(blocks),
        segments=rows[SEGMENT.name],
        events=rows[EVENT.name],
        payloads=rows[PAYLOAD.name],
        erased_payloads=observed.erased,
        record_edges=rows[RECORD_EDGE.name],
        column_edges=rows[COLUMN_EDGE.name],
        unsealed_segments=len(unsealed),
        ended_unsealed_segments=len(unsealed & observed.ended),
        unread_segments=len({block.segment for block in unread}),
        unread_rows=sum(block.leaf_count or 0 for block in unread),
    )
