"""What a trace found: records, and the hops between them. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Label = Literal["exact", "superset", "unknown"]
Role = Literal["value", "filter"]
Direction = Literal["upstream", "downstream"]
Name = tuple[str, str]
"""A record: the unique_id of its node, and its record id."""
Basis = Literal["change log", "first capture", "last build", "view", "source", "unknown"]

_ORDER: Mapping[Label, int] = {"exact": 0, "superset": 1, "unknown": 2}


def weakest(labels: Iterable[Label]) -> Label:
    """The label of a path: that of its weakest hop; `exact` for a path of none."""
    return max(labels, key=_ORDER.__getitem__, default="exact")


def strongest(labels: Iterable[Label]) -> Label:
    """The label of a record that several paths lead to: one exact path is enough."""
    return min(labels, key=_ORDER.__getitem__, default="unknown")


@dataclass(frozen=True)
class Written:
    """The batch and the time (microseconds UTC) that wrote a record, and what tells so.

    `first capture`: the record has not changed since, so it was written then or before. `last build`: the node is not
    captured, so nothing is known of the single record. `view`: it is made when it is read; `source`: it comes
    from outside the project.
    """

    basis: Basis
    batch_id: str | None = None
    at: int | None = None


@dataclass(frozen=True)
class Record:
    """A record as it is now. `hash` is the record hash that a capture would log, None for a record that is not there.

    `logged` is the hash that the last capture of a change logged, None where there is none or it was erased; `note`
    says what is wrong with it. `rows` are those that have its key.
    """

    node: str
    record_id: str
    key: tuple[str, ...]
    hash: str | None
    logged: str | None
    written: Written
    note: str | None = None
    rows: int = 1

    @property
    def name(self) -> Name:
        return self.node, self.record_id

    @property
    def state(self) -> Literal["as logged", "changed", "gone", "not logged"]:
        """Whether it is still the record that was logged."""
        if self.hash is None:
            return "gone"
        if self.logged is None:
            return "not logged"
        return "as logged" if self.logged == self.hash else "changed"


@dataclass(frozen=True)
class Edge:
    """`source` came into `target`: record ids. `target` is None where the source decided about every record.

    `used` is the hash that the source had when a run stored the edge; None where none did.
    """

    target: str | None
    source_node: str
    source: str
    role: Role
    occurrence: str
    used: str | None = None


@dataclass(frozen=True)
class Hop:
    """The step that made some records of `node`, by the code of `batch_id` (None: of the manifest).

    `step` is what its SQL does, `via` the views that it goes through. `label` is about values and `filter_label` about
    filters, with the reasons why they are not exact. `left_out` counts the edges that were not read, by the record that
    was asked for (None: those of every record), the node at the other end and the role. `doubts` are reasons why
    single records are `unknown`. `stored` tells that the run stored its edges, which are not those of today.
    """

    node: str
    step: str = "unknown"
    via: tuple[str, ...] = ()
    batch_id: str | None = None
    label: Label = "exact"
    reasons: tuple[str, ...] = ()
    filter_label: Label = "exact"
    filter_reasons: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    left_out: Mapping[tuple[str | None, str, Role], int] = field(default_factory=dict)
    records: tuple[str, ...] = ()
    doubts: Mapping[str, str] = field(default_factory=dict)
    stored: bool = False

    def label_of(self, record: str | None) -> Label:
        """The label for one of its records: `unknown` where the query does not give it any more."""
        return "unknown" if record in self.doubts else self.label


@dataclass(frozen=True)
class Trace:
    """All that was found from `root`, in one direction. `cut` says what was not followed, as sentences."""

    direction: Direction
    root: Record
    records: Mapping[Name, Record]
    hops: tuple[Hop, ...]
    cut: tuple[str, ...] = ()
