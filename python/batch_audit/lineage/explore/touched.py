"""What is downstream of changes: the columns that may have other values, and the readers of what is gone."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from batch_audit.lineage.explore.changes import NodeChange, State
from batch_audit.lineage.explore.slices import silent_readers
from batch_audit.lineage.project import ProjectEdge, ProjectGraph
from batch_audit.lineage.project.graph import same_column
from batch_audit.lineage.schema import split_name

_NAMES = re.compile(r'[\w.$"`\[\]]+')
FailOn = Literal["never", "broken", "removed", "changed", "any"]


@dataclass
class Touched:
    """A node below changes. `columns`: those that are touched (None: every one), each with whether values reach it.

    `first` is the first step of a shortest way from the nearest change, `distance` how many steps that is. `broken`:
    columns that it still reads and that are gone. `unknown`: why nothing more is known of how it reads.
    """

    unique_id: str
    distance: int
    first: ProjectEdge | None
    columns: dict[str | None, bool] = field(default_factory=dict)
    origins: dict[str, None] = field(default_factory=dict)
    broken: dict[str, None] = field(default_factory=dict)
    unknown: str = ""


@dataclass(frozen=True)
class Impact:
    """The changes between two states, and everything downstream that they touch, nearest first."""

    before: State
    after: State
    changes: tuple[NodeChange, ...]
    touched: tuple[Touched, ...]

    def fails(self, limit: FailOn) -> bool:
        """Whether there is something as bad as `limit`; each level includes those before it."""
        levels: list[tuple[FailOn, bool]] = [
            ("broken", any(one.broken for one in self.touched)),
            ("removed", any(_removes(change) for change in self.changes)),
            ("changed", any(_changes(change) for change in self.changes)),
            ("any", bool(self.changes)),
        ]
        found = dict(levels)
        reached = (
            [name for name, _ in levels][: [name for name, _ in levels].index(limit) + 1]
            if limit in found
            else []
        )
        return any(found[name] for name in reached)

    def label(self, unique_id: str) -> str:
        """The name of a node, of the earlier state if the present one has it no more."""
        state = self.after if unique_id in self.after.project.nodes else self.before
        return state.known.label(unique_id)


def _removes(change: NodeChange) -> bool:
    return change.change == "removed" or any(column.change == "removed" for column in change.columns)


def _changes(change: NodeChange) -> bool:
    in_column = any(column.change == "changed" for column in change.columns)
    return in_column or change.rows or bool(change.elsewhere)


def impact_of(before: State, after: State, changes: Sequence[NodeChange]) -> Impact:
    """Follow every change downwards: what is removed in the earlier state, the rest in the present one."""
    old, new = ProjectGraph(before.known.lineages), ProjectGraph(after.known.lineages)
    touched: dict[str, Touched] = {}
    for change in changes:
        gone = [column.column for column in change.columns if column.change == "removed"]
        there = [column.column for column in change.columns if column.change != "removed"]
        if change.change == "removed":
            _follow(touched, old, change.unique_id, [None], after)
        else:
            _follow(touched, old, change.unique_id, gone, after)
            _follow(touched, new, change.unique_id, [None] if change.whole else there, after)
        for reader, column in _still_read(after, change, gone):
            _touch(touched, reader, 1, None, change.unique_id).broken[column] = None
    _add_silent(touched, changes, new, after)
    # What is new reads the present state from its beginning, and can only be broken.
    added = {change.unique_id for change in changes if change.change == "added"}
    below = (one for name, one in touched.items() if name not in added or one.broken)
    ordered = sorted(below, key=lambda one: (one.distance, one.unique_id))
    return Impact(before, after, tuple(changes), tuple(ordered))


def _follow(
    touched: dict[str, Touched], graph: ProjectGraph, origin: str, columns: Iterable[str | None], after: State
) -> None:
    """Breadth first from some columns of a node; each place knows the first step that led to it."""
    waiting: deque[tuple[str, str | None, int, ProjectEdge | None, bool]] = deque(
        (origin, column, 0, None, True) for column in columns
    )
    met = {(origin, column and column.lower()) for _, column, *_ in waiting}
    while waiting:
        node, column, distance, first, direct = waiting.popleft()
        for edge in sorted(graph.out_of(node), key=lambda edge: edge.kind != "DIRECT"):
            if not same_column(edge.source_column, column) or edge.target == origin:
                continue
            values = direct and edge.kind == "DIRECT"
            begin = first or edge
            if edge.target in after.project.nodes or edge.target not in graph.nodes:
                one = _touch(touched, edge.target, distance + 1, begin, origin)
                one.columns[edge.target_column] = one.columns.get(edge.target_column, False) or values
            place = edge.target, edge.target_column and edge.target_column.lower()
            if place not in met:
                met.add(place)
                waiting.append((edge.target, edge.target_column, distance + 1, begin, values))


def _touch(
    touched: dict[str, Touched], name: str, distance: int, first: ProjectEdge | None, origin: str
) -> Touched:
    one = touched.setdefault(name, Touched(name, distance, first))
    if distance < one.distance or (one.first is None and first is not None):
        one.distance, one.first = distance, first
    one.origins[origin] = None
    return one


def _still_read(after: State, change: NodeChange, gone: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Readers of removed columns: by an edge from them, or by a name that none of its inputs has any more."""
    removed = {column.lower(): column for column in gone}
    for name, lineage in after.known.lineages.items():
        if not removed or change.unique_id not in after.known.datasets[name].inputs:
            continue
        words = [edge.source_column for edge in lineage.edges if edge.source in ("", change.unique_id)]
        words += [".".join(split_name(sql)[-1:]) for _, _, sql in lineage.unknown if _NAMES.fullmatch(sql)]
        for word in words:
            column = removed.get(word.lower()) or removed.get(word.split(".")[0].lower())
            if column is not None:
                yield name, column


def _add_silent(
    touched: dict[str, Touched], changes: Sequence[NodeChange], graph: ProjectGraph, after: State
) -> None:
    """Nodes below whose SQL nobody can read: whether they are touched is not known, nor what is below them."""
    starts = {change.unique_id for change in changes} | set(touched)
    waiting = sorted(after.known.datasets)
    while found := [name for name in waiting if silent_readers(after.known, name, starts - {name})]:
        for name in found:
            waiting.remove(name)
            if name in touched:
                continue
            read = silent_readers(after.known, name, starts - {name})
            one = touched[name] = Touched(name, 1, None, origins=dict.fromkeys(sorted(read)))
            one.unknown = after.known.lineages[name].unknown[0][1]
            _follow(touched, graph, name, [None], after)
        starts |= set(touched)
