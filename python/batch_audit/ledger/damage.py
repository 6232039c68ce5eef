"""What a verification can find: kinds of damage with their meaning, one found damage, and an ordered log of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from batch_audit.ledger.tables import BLOCK, COLUMN_EDGE, EVENT, PAYLOAD, RECORD_EDGE, SEGMENT

MEANINGS: Final = {
    "block_misnumbered": "Block numbers count from 1, each once; a block was added, copied or renumbered.",
    "block_missing": "Blocks were removed from the chain, or their numbers were changed.",
    "block_unknown_format": "The block was edited, or a version of batch-audit newer than this one wrote it.",
    "block_edited": "The block was changed after it was written: its columns no longer give its own hash.",
    "block_relinked": "The block does not follow the one before it: blocks were replaced, removed or inserted.",
    "block_without_segment": "A sealed segment is no longer registered: its row in audit_segment was removed.",
    "block_set_incomplete": "Sealing writes one block for each sealed table at once; some are gone or were added.",
    "segment_unregistered": "These rows belong to a segment that is not registered: rows were added or removed.",
    "row_unplaced": "The row lacks its segment, part or number: it was edited, the audit never writes such a row.",
    "event_edited": "The event was changed after it was written: its columns no longer hash to its event_id.",
    "seq_duplicate": "Rows of a part are numbered once each: a row was copied or renumbered.",
    "seq_gap": "Rows of a part are numbered from 1 without gaps: rows were removed or renumbered.",
    "payload_edited": "The before and after values were changed: they no longer match what the event committed to.",
    "payload_missing": "The before and after values were removed and no erasure event says so.",
    "payload_orphan": "Before and after values that no event committed to: they or their event were changed.",
    "payload_duplicated": "One event has several sets of before and after values: some were added.",
    "payload_moved": "The payload's segment, part, number or month differs from its event's: it was edited.",
    "rows_missing": "Rows that were there when the segment was sealed are gone.",
    "rows_added": "Rows were added to a segment after it was sealed.",
    "rows_altered": "These are not the rows that were sealed: at least one was changed or replaced.",
    "nothing_sealed": "There is no block to check: nothing was ever sealed, or the chain was emptied.",
}
"""What each kind of damage means. Their order is the order of reporting within one block and table."""

KEPT = 1000
"""How many damages a log keeps in full; the others are only counted."""

_TABLES: Final = {
    t.name: place for place, t in enumerate((BLOCK, SEGMENT, EVENT, PAYLOAD, RECORD_EDGE, COLUMN_EDGE))
}
_RANKS: Final = {kind: rank for rank, kind in enumerate(MEANINGS)}
_NO_BLOCK: Final = 2**63


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong, and where: as much of the place as is known.

    `block_no` is the block that covers the place (for a payload, its event's), None outside sealed segments.
    """

    kind: str
    table: str
    block_no: int | None = None
    segment: str | None = None
    part: str | None = None
    seq: int | None = None
    event_id: str | None = None
    event_type: str | None = None
    target: str | None = None
    record_id: str | None = None
    detail: str = ""

    @property
    def meaning(self) -> str:
        """One sentence that says what must have happened."""
        return MEANINGS[self.kind]

    @property
    def position(self) -> tuple[int, int, int, str, str, int, str, str]:
        """Sort key: the chain's order first, then table, kind, part and number."""
        chain = _NO_BLOCK if self.block_no is None else self.block_no
        row = (self.segment or "", self.part or "", self.seq or 0, self.event_id or "", self.detail)
        return (chain, _TABLES[self.table], _RANKS[self.kind], *row)


@dataclass
class DamageLog:
    """Damages as they are found: all counted by kind, the first `KEPT` in their order kept."""

    kinds: Counter[str] = field(default_factory=Counter)
    _found: list[Damage] = field(default_factory=list)

    def extend(self, damages: Iterable[Damage]) -> None:
        """Take note of damages, in any order."""
        for damage in damages:
            self.kinds[damage.kind] += 1
            self._found.append(damage)
            if len(self._found) >= 8 * KEPT:
                self._found = list(self.first())

    def first(self) -> tuple[Damage, ...]:
        """The first `KEPT` damages in their order."""
        return tuple(sorted(self._found, key=lambda damage: damage.position)[:KEPT])
