"""What a reading of the store found, before it is compared with the blocks; shared by both ways of reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

from batch_audit.ledger.block import Tree
from batch_audit.ledger.damage import Damage, DamageLog
from batch_audit.ledger.merkle import merkle_root
from batch_audit.ledger.tables import EVENT, PAYLOAD, SEGMENT

Progress = Callable[[str, float], None]
"""Called with what is being read and the share that is done, 0 to 1."""


class Leaf(NamedTuple):
    """A row's place within its segment, and its hash; sorted, leaves are in the order of the Merkle tree."""

    part: str
    seq: int
    hash: str


@dataclass
class Observed:
    """The store as it was read: rows by table, trees by (table, segment), damages that rows show by themselves.

    `block_of` gives the number of the block that covers a table's rows in a segment.
    """

    block_of: Mapping[tuple[str, str], int]
    rows: dict[str, int] = field(default_factory=dict)
    trees: dict[tuple[str, str], Tree] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    erased: int = 0
    log: DamageLog = field(default_factory=DamageLog)

    @property
    def registered(self) -> set[str]:
        """The segments that are registered."""
        return {segment for table, segment in self.trees if table == SEGMENT.name}

    def note(self, kind: str, table: str, segment: str | None, **place: str | int | None) -> None:
        """Note a damage in a row or part, with the block that covers it."""
        covering = EVENT.name if table == PAYLOAD.name else table
        block_no = self.block_of.get((covering, segment)) if segment is not None else None
        self.log.extend([Damage(kind, table, block_no=block_no, segment=segment, **place)])  # type: ignore[arg-type]

    def take_segment(self, table: str, segment: str, leaves: Iterable[Leaf]) -> None:
        """Take a segment's rows of one table: its tree, and what is wrong with their numbers."""
        ordered = sorted(leaves)
        self.trees[table, segment] = Tree(len(ordered), merkle_root([leaf.hash for leaf in ordered]))
        for part, rows in groupby(ordered, key=lambda leaf: leaf.part):
            for kind, seq, detail in number_damages([leaf.seq for leaf in rows]):
                self.note(kind, table, segment, part=part, seq=seq, detail=detail)


def number_damages(numbers: list[int]) -> Iterator[tuple[str, int, str]]:
    """What is wrong with a part's sorted numbers, which should be 1 to their count: kind, first place, detail."""
    distinct = sorted(set(numbers))
    if len(distinct) < len(numbers):
        twice = next(number for number, after in pairwise(numbers) if number == after)
        yield (
            "seq_duplicate",
            twice,
            f"{len(numbers) - len(distinct)} rows have a number that another row has",
        )
    first = next((place for place, number in enumerate(distinct, start=1) if number != place), None)
    if first is not None:
        yield (
            "seq_gap",
            first,
            f"row {first} is not there; {len(numbers)} rows are numbered {numbers[0]} to {numbers[-1]}",
        )


class Committed(NamedTuple):
    """An event that committed to a payload."""

    event_id: str | None
    segment: str | None
    part: str | None
    seq: int | None
    batch_month: str | None
    payload_commitment: str | None
    event_type: str | None
    target: str | None
    record_id: str | None


class Payload(NamedTuple):
    """A payload's place and what it commits to now."""

    event_id: str | None
    segment: str | None
    part: str | None
    seq: int | None
    batch_month: str | None
    commitment: str


def take_payload_pair(observed: Observed, event: Committed | None, payload: Payload | None) -> None:
    """Note what is wrong between an event and its payload; one of them may be missing."""
    kind = _pair_damage(event, payload)
    subject = event or payload
    if kind is None or subject is None:
        return
    observed.note(
        kind,
        PAYLOAD.name,
        subject.segment,
        part=subject.part,
        seq=subject.seq,
        event_id=subject.event_id,
        **(
            {"event_type": event.event_type, "target": event.target, "record_id": event.record_id}
            if event
            else {}
        ),
    )


def _pair_damage(event: Committed | None, payload: Payload | None) -> str | None:
    if payload is None:
        return "payload_missing"
    if event is None:
        return "payload_orphan"
    if payload.commitment != event.payload_commitment:
        return "payload_edited"
    return None if payload[1:5] == event[1:5] else "payload_moved"
