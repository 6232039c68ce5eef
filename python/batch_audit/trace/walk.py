"""From a record to the records that it came from, or that came from it: level by level, each hop for all records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

from batch_audit.lineage.code import NodeCode
from batch_audit.lineage.hop import read_by
from batch_audit.trace.again import judged
from batch_audit.trace.reader import Reader
from batch_audit.trace.result import Direction, Edge, Hop, Name, Record, Trace, weakest
from batch_audit.trace.step import Ask, prepare, read_hop
from batch_audit.trace.stored import stored_edges, with_stored

MOST_RECORDS = 50_000
"""Records of one node that are followed on one level."""
MOST_BATCHES = 5
"""Batches that wrote records of one incremental model, each of which is traced by itself."""


@dataclass(frozen=True)
class Wanted:
    """How far to go. `to`: only paths that end at this node. `limit`: edges read for each record, input and role.

    `filters` also follows the records that only decided.
    """

    direction: Direction = "upstream"
    to: str | None = None
    depth: int | None = None
    limit: int = 10_000
    filters: bool = False


@dataclass
class _Walk:
    reader: Reader
    wanted: Wanted
    records: dict[Name, Record]
    hops: list[Hop] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    seen: set[Name] = field(default_factory=set)
    consumers: Mapping[str, list[str]] = field(default_factory=dict)
    between: Set[str] | None = None
    """The nodes that paths to `wanted.to` may pass, and that one; None where paths may end anywhere."""

    def run(self, root: Name) -> None:
        frontier: dict[str, set[str]] = {root[0]: {root[1]}}
        level = 0
        while frontier:
            if level == self.wanted.depth:
                self._stopped(frontier)
                return
            level += 1
            hops = [
                hop
                for node in sorted(frontier)
                for hop in self._of_node(node, self._fresh(node, frontier[node]))
            ]
            self.hops += hops
            frontier = self._next(hops)
            for node, ids in frontier.items():
                self._know(node, ids)

    def _fresh(self, node: str, ids: Collection[str]) -> tuple[str, ...]:
        """The records of a level that were not met before, at most so many."""
        fresh = sorted(one for one in ids if (node, one) not in self.seen)
        if len(fresh) > MOST_RECORDS:
            more = len(fresh) - MOST_RECORDS
            self.cut.append(
                f"{more:,} records of {self._name(node)} are not followed: {MOST_RECORDS:,} of a level are"
            )
        self.seen |= {(node, one) for one in fresh}
        return tuple(fresh[:MOST_RECORDS])

    def _stopped(self, frontier: Mapping[str, Collection[str]]) -> None:
        left = {node: [one for one in ids if (node, one) not in self.seen] for node, ids in frontier.items()}
        goes_on = [node for node, ids in left.items() if ids and any(True for _ in self._neighbours(node))]
        if goes_on:
            names = ", ".join(self._name(node) for node in sorted(goes_on))
            self.cut.append(f"--depth {self.wanted.depth} ends at {names}")

    def _neighbours(self, node: str) -> Iterator[str]:
        if self.wanted.direction == "downstream":
            yield from self.consumers.get(node, ())
        elif node in self.reader.codes and not self.reader.codes[node].leaf:
            yield from self.reader.codes[node].inputs or (node,)

    def _name(self, node: str) -> str:
        return self.reader.codes[node].name if node in self.reader.codes else node

    def _next(self, hops: Iterable[Hop]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for hop in hops:
            for edge in hop.edges:
                if edge.role == "filter" and not self.wanted.filters:
                    continue
                if self.wanted.direction == "upstream":
                    found.setdefault(edge.source_node, set()).add(edge.source)
                elif edge.target is not None:
                    found.setdefault(hop.node, set()).add(edge.target)
        return found

    def _know(self, node: str, ids: Iterable[str]) -> None:
        unknown = [one for one in ids if (node, one) not in self.records]
        self.records.update(
            {(node, one): record for one, record in self.reader.records(node, unknown).items()}
        )

    def _of_node(self, node: str, ids: tuple[str, ...]) -> Iterator[Hop]:
        if not ids:
            return
        if self.wanted.direction == "downstream":
            for consumer in self.consumers.get(node, ()):
                if self.between is None or consumer in self.between:
                    yield from self._down(consumer, node, ids)
        elif node in self.reader.codes and not self.reader.codes[node].leaf:
            yield from self._up(node, ids)

    def _up(self, node: str, ids: tuple[str, ...]) -> Iterator[Hop]:
        for batch, own in self._by_batch(node, ids).items():
            ready = prepare(self.reader, node, batch)
            hop = read_hop(self.reader, ready, Ask(own, self.wanted.limit, self.between))
            self._know_ends(hop)
            present = {
                one: self.records[node, one].hash is not None for one in own if (node, one) in self.records
            }
            hop = self._unique(judged(self.reader, hop, ready, present, whole=self.between is None))
            rows = stored_edges(self.reader, node, [self.records[node, one] for one in own])
            for one in with_stored(hop, rows, self.wanted.limit, self.between) if rows else [hop]:
                self._know_ends(one)
                yield one

    def _down(self, consumer: str, node: str, ids: tuple[str, ...]) -> Iterator[Hop]:
        ready = prepare(self.reader, consumer, None, every=True)
        hop = read_hop(self.reader, ready, Ask(ids, self.wanted.limit, occurrences_of=node))
        targets = sorted({edge.target for edge in hop.edges if edge.target is not None})
        self._know(consumer, targets)
        present = {one: self.records[consumer, one].hash is not None for one in targets}
        gone = {
            one: "the relation does not have it: an input changed since, or it was deleted"
            for one in targets
            if not present[one]
        }
        told = judged(self.reader, replace(hop, records=tuple(targets)), ready, present)
        if hop.edges or hop.label == "unknown":
            yield self._unique(replace(told, doubts={**told.doubts, **gone}))

    def _unique(self, hop: Hop) -> Hop:
        """The hop, which is not exact where a record is named by a key that several rows have."""
        met = {(hop.node, one) for one in hop.records} | {
            (edge.source_node, edge.source) for edge in hop.edges
        }
        twice = sorted({name[0] for name in met if name in self.records and self.records[name].rows > 1})
        if not twice:
            return hop
        reasons = (f"the key of {self._name(node)} is not unique: several rows have it" for node in twice)
        return replace(hop, label=weakest((hop.label, "superset")), reasons=(*hop.reasons, *reasons))

    def _by_batch(self, node: str, ids: tuple[str, ...]) -> dict[str | None, tuple[str, ...]]:
        """The records by the batch that wrote them, where it matters: each increment had its own inputs and code."""
        if self.reader.codes[node].kind != "incremental":
            return {None: ids}
        found: dict[str | None, list[str]] = {}
        for one in ids:
            written = self.records[node, one].written
            found.setdefault(None if written.basis == "last build" else written.batch_id, []).append(one)
        if len(found) > MOST_BATCHES:
            self.cut.append(
                f"{self._name(node)}: its records were written by {len(found)} batches, more than {MOST_BATCHES}: they"
                " are traced by the code of its last build"
            )
            return {None: ids}
        return {batch: tuple(own) for batch, own in found.items()}

    def _know_ends(self, hop: Hop) -> None:
        """Every source is named, whether or not it is followed."""
        by_node: dict[str, set[str]] = {}
        for edge in hop.edges:
            by_node.setdefault(edge.source_node, set()).add(edge.source)
        for node, ids in by_node.items():
            self._know(node, ids)


def consumers(codes: Mapping[str, NodeCode]) -> dict[str, list[str]]:
    """Each node to those whose records come from it, directly or through views."""
    found: dict[str, list[str]] = {}
    for name in sorted(codes):
        for one in () if codes[name].leaf else read_by(codes[name], codes):
            if one.node != name:
                found.setdefault(one.node, []).append(name)
    return found


def _between(to: str, codes: Mapping[str, NodeCode], direction: Direction) -> frozenset[str]:
    """A node, and those that a path to it may pass: what is below it (upstream), or what it is made of (downstream)."""
    below: dict[str, list[str]] = {}
    for name, code in codes.items():
        for one in code.inputs:
            below.setdefault(one, []).append(name)
    found, waiting = {to}, [to]
    while waiting:
        node = waiting.pop()
        near = below.get(node, []) if direction == "upstream" else codes[node].inputs if node in codes else ()
        fresh = set(near) - found
        found |= fresh
        waiting += fresh
    return frozenset(found)


def trace(reader: Reader, root: Record, wanted: Wanted) -> Trace:
    """Follow a record in one direction."""
    below = consumers(reader.codes) if wanted.direction == "downstream" else {}
    between = None if wanted.to is None else _between(wanted.to, reader.codes, wanted.direction)
    walk = _Walk(reader, wanted, {root.name: root}, consumers=below, between=between)
    walk.run(root.name)
    found = Trace(wanted.direction, root, walk.records, tuple(walk.hops), tuple(dict.fromkeys(walk.cut)))
    return found if wanted.to is None else only_to(found, wanted.to)


def only_to(found: Trace, to: str) -> Trace:
    """Only the edges of paths from the root to records of a node."""
    up = found.direction == "upstream"
    next_of: dict[Name, set[Name]] = {}
    for hop in found.hops:
        for edge in hop.edges:
            ends = _ends(hop, edge)
            if ends:
                near, far = ends if up else (ends[1], ends[0])
                next_of.setdefault(far, set()).add(near)
    reached = {name for pair in next_of.items() for name in (pair[0], *pair[1]) if name[0] == to}
    waiting = list(reached)
    while waiting:
        fresh = next_of.get(waiting.pop(), set()) - reached
        reached |= fresh
        waiting += fresh

    def leads(hop: Hop, edge: Edge) -> bool:
        ends = _ends(hop, edge)
        return ends is not None and ends[0] in reached and ends[1] in reached

    hops = (replace(hop, edges=tuple(edge for edge in hop.edges if leads(hop, edge))) for hop in found.hops)
    kept = tuple(hop for hop in hops if hop.edges or hop.label == "unknown")
    names = {name for hop in kept for edge in hop.edges for name in (_ends(hop, edge) or ())} | {
        found.root.name
    }
    return replace(
        found, hops=kept, records={name: one for name, one in found.records.items() if name in names}
    )


def _ends(hop: Hop, edge: Edge) -> tuple[Name, Name] | None:
    """The records at the ends of an edge, its target first; None for an edge to every record."""
    if edge.target is None:
        return None
    return (hop.node, edge.target), (edge.source_node, edge.source)
