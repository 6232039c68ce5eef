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
    "digest_unreadable": "This is no digest as batch-audit writes one: it was edited or cut, or is something else.",
    "digest_unknown_format": "A version of batch-audit newer than this one wrote it, or it was edited.",
    "digest_forged": "The signature does not fit: the digest was changed, or somebody without the key made it.",
    "digest_untrusted": "A key that was not given, and that no trusted digest names, signed the digest.",
    "digest_unsigned": "A signature was expected and there is none: anybody could have written this digest.",
    "key_missing": "Digests are signed, and without a public key nobody knows by whom: nothing was proven by them.",
    "digest_forked": "Two digests claim the same place: one is forged, or they were written apart from each other.",
    "digest_missing": "A digest between two others is gone: it was removed.",
    "digest_misordered": "A digest goes back behind the one before it: it was forged, or the store lost blocks.",
    "digest_replayed": "The witness remembers newer digests than were given: they were removed, or are not here.",
    "witness_broken": "A line of the witness cannot be read or does not follow the one before: it was changed or cut.",
    "witness_contradicted": "The witness remembers another digest of this number: one of them was replaced.",
    "witness_cut": "Digests are newer than the witness: its end was removed, or a run could not append to it.",
    "digest_of_another_store": "The chain has another first block: it was begun anew, or the digest is of other data.",
    "tail_truncated": "The block that was vouched for is gone: newest blocks were removed, or an old copy put back.",
    "store_restored": "The block that was vouched for is gone, and this is another copy of the store: it was restored.",
    "chain_rewritten": "Another block stands where one was vouched for: the chain was rewritten from there or earlier.",
    "digest_wrong_counts": "The digest counts other numbers of rows than the blocks: one of them is false.",
    "timestamp_invalid": "The timestamp is not one of the given authority over this digest.",
    "no_digest": "Digests were to be checked, and there are none: they were removed, or the place is wrong.",
    "nothing_checked": "What was to be checked holds no row and no block: nothing was proven.",
    "nothing_sealed": "There is no block to check: nothing was ever sealed, or the chain was emptied.",
}
"""What each kind of damage means. Their order is the order of reporting within one block and table."""

NOT_PROVEN: Final = frozenset(
    ("nothing_sealed", "nothing_checked", "no_digest", "key_missing", "digest_unsigned", "digest_untrusted")
)
"""Kinds that show no damage to the store by themselves: what was asked for could not be checked."""

KEPT = 1000
"""How many damages a log keeps in full; the others are only counted."""

_TABLES: Final = {
    name: place
    for place, name in enumerate(
        ("digest", "witness", *(t.name for t in (BLOCK, SEGMENT, EVENT, PAYLOAD, RECORD_EDGE, COLUMN_EDGE)))
    )
}
_EVIDENCE: Final = ("digest", "witness")
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
    def position(self) -> tuple[int, int, int, str, str, int, str, str, str, str, str]:
        """Sort key: the chain's order first, then table, kind, part and number.

        Digests and witness come before the tables, and before all blocks if they speak of none that is known.
        """
        nowhere = 0 if self.table in _EVIDENCE else _NO_BLOCK
        chain = nowhere if self.block_no is None else self.block_no
        row = (self.segment or "", self.part or "", self.seq or 0, self.event_id or "", self.detail)
        # Edited rows may share all of these; both ways of reading must still list them in one order.
        event = (self.event_type or "", self.target or "", self.record_id or "")
        return (chain, _TABLES[self.table], _RANKS[self.kind], *row, *event)


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
