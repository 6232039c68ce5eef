"""The columns of a project as a graph: what is above and below a column, without end in a cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from batch_audit.lineage.project.lineage import NodeLineage, ProjectEdge


@dataclass(frozen=True, slots=True)
class Step:
    """An edge that was reached, and how many edges it is away from where the walk began (1: next to it)."""

    depth: int
    edge: ProjectEdge


class ProjectGraph:
    """The lineage of all nodes, found by either end of an edge."""

    def __init__(self, lineages: Mapping[str, NodeLineage]) -> None:
        self.nodes = lineages
        self._into: dict[str, list[ProjectEdge]] = {}
        self._out_of: dict[str, list[ProjectEdge]] = {}
        for edge in self.edges():
            self._into.setdefault(edge.target, []).append(edge)
            self._out_of.setdefault(edge.source, []).append(edge)

    def edges(self) -> Iterator[ProjectEdge]:
        """All edges, node by node."""
        for lineage in self.nodes.values():
            yield from lineage.edges

    def out_of(self, node: str) -> list[ProjectEdge]:
        """The edges that read a node."""
        return self._out_of.get(node, [])

    def unknown(self) -> Iterator[tuple[str, str | None, str, str]]:
        """What is not known: the node, its column (None: all), the reason, the SQL."""
        for lineage in self.nodes.values():
            for column, reason, sql in lineage.unknown:
                yield lineage.unique_id, column, reason, sql

    def upstream(self, node: str, column: str | None = None, depth: int | None = None) -> list[Step]:
        """The edges that lead to a column (None: to any of the node), nearest first, at most `depth` edges away."""
        return list(self._walk(node, column, depth, up=True))

    def downstream(self, node: str, column: str | None = None, depth: int | None = None) -> list[Step]:
        """The edges that lead away from a column; see `upstream`."""
        return list(self._walk(node, column, depth, up=False))

    def _walk(self, node: str, column: str | None, depth: int | None, *, up: bool) -> Iterator[Step]:
        table = self._into if up else self._out_of
        waiting = deque([(node, column, 1)])
        met = {(node, _key(column))}
        told = set[ProjectEdge]()
        while waiting:
            at, name, distance = waiting.popleft()
            if depth is not None and distance > depth:
                return
            for edge in table.get(at, ()):
                near, far = (
                    (edge.target_column, edge.source_column)
                    if up
                    else (edge.source_column, edge.target_column)
                )
                if not same_column(near, name):
                    continue
                if edge not in told:
                    told.add(edge)
                    yield Step(distance, edge)
                place = edge.source if up else edge.target
                if (place, _key(far)) not in met:
                    met.add((place, _key(far)))
                    waiting.append((place, far, distance + 1))

    def order(self) -> list[str]:
        """The nodes, each after those that it reads; in a cycle, by name."""
        above: dict[str, Iterable[str]] = {
            name: {edge.source for edge in self._into.get(name, ()) if edge.source in self.nodes} - {name}
            for name in sorted(self.nodes)
        }
        try:
            return list(TopologicalSorter(above).static_order())
        except CycleError:
            return sorted(self.nodes)


def same_column(one: str | None, other: str | None) -> bool:
    """Whether two names may be one column: None and `*` are any; a field of a struct belongs to its column."""
    if one in (None, "*") or other in (None, "*"):
        return True
    left, right = str(one).lower(), str(other).lower()
    return left == right or left.startswith(right + ".") or right.startswith(left + ".")


def _key(column: str | None) -> str:
    return "*" if column is None else column.lower()
