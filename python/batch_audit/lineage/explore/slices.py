"""The part of the graph that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from batch_audit.lineage.explore.known import Known
from batch_audit.lineage.project import NodeLineage, ProjectEdge, ProjectGraph, Step
from batch_audit.lineage.project.graph import same_column

Direction = Literal["upstream", "downstream"]
DIRECTIONS: tuple[Direction, Direction] = ("upstream", "downstream")


@dataclass(frozen=True)
class Gap:
    """What is not known of a dataset: one of its columns (None: any), why, and the SQL."""

    unique_id: str
    column: str | None
    reason: str
    sql: str


@dataclass(frozen=True)
class Slice:
    """Edges from a column (None: all of the node; a node None: of all) upwards and downwards, nearest first.

    `steps` are within `depth`, `beyond` are those further away. `direct`: influences were left out.
    """

    known: Known
    node: str | None
    column: str | None
    steps: dict[Direction, tuple[Step, ...]]
    beyond: dict[Direction, tuple[Step, ...]]
    depth: int | None
    direct: bool
    gaps: tuple[Gap, ...]

    def nodes(self) -> list[str]:
        """The datasets of the slice in alphabetical order."""
        found = {gap.unique_id for gap in self.gaps} | ({self.node} if self.node is not None else set())
        for step in self.all_steps():
            found |= {step.edge.source, step.edge.target}
        return sorted(found)

    def all_steps(self) -> Iterator[Step]:
        """The steps of all directions."""
        for steps in self.steps.values():
            yield from steps

    def cut(self, direction: Direction) -> int:
        """How many columns are further away than `depth`."""
        within = {far_end(step.edge, direction) for step in self.steps[direction]}
        return len({far_end(step.edge, direction) for step in self.beyond[direction]} - within)


def far_end(edge: ProjectEdge, direction: Direction) -> tuple[str, str | None]:
    """The end of an edge that a walk comes to: dataset and column in lower case (None: every column)."""
    if direction == "upstream":
        return edge.source, edge.source_column.lower()
    return edge.target, edge.target_column and edge.target_column.lower()


def near_end(edge: ProjectEdge, direction: Direction) -> tuple[str, str | None]:
    """The end of an edge that a walk comes from."""
    return far_end(edge, "downstream" if direction == "upstream" else "upstream")


def take(
    known: Known, node: str, column: str | None = None, directions: Sequence[Direction] = DIRECTIONS,
    depth: int | None = None, direct: bool = False,
) -> Slice:  # fmt: skip
    """The slice around a column. `direct`: follow values only, not what merely influences them."""
    graph = ProjectGraph(_direct_only(known) if direct else known.lineages)
    steps: dict[Direction, tuple[Step, ...]] = {}
    beyond: dict[Direction, tuple[Step, ...]] = {}
    for direction in directions:
        walk = graph.upstream if direction == "upstream" else graph.downstream
        found = walk(node, column)
        steps[direction] = tuple(step for step in found if depth is None or step.depth <= depth)
        beyond[direction] = tuple(found[len(steps[direction]) :])
    gaps = tuple(dict.fromkeys(_gaps(known, node, column, steps)))
    return Slice(known, node, column, steps, beyond, depth, direct, gaps)


def take_all(known: Known) -> Slice:
    """All edges and gaps, each edge one step long; of no dataset in particular."""
    steps = tuple(Step(1, edge) for lineage in known.lineages.values() for edge in lineage.edges)
    gaps = tuple(gap for name in known.lineages for gap in gaps_of(known, name))
    return Slice(known, None, None, {"upstream": steps}, {"upstream": ()}, None, False, gaps)


def _direct_only(known: Known) -> dict[str, NodeLineage]:
    return {
        name: replace(one, edges=tuple(edge for edge in one.edges if edge.kind == "DIRECT"))
        for name, one in known.lineages.items()
    }


def _gaps(
    known: Known, node: str, column: str | None, steps: dict[Direction, tuple[Step, ...]]
) -> Iterator[Gap]:
    """What is not known: upwards of the columns that were met, downwards of all that may read them unnoticed."""
    if "upstream" in steps:
        places = {(node, column)} | {far_end(step.edge, "upstream") for step in steps["upstream"]}
        for name in sorted({place for place, _ in places}):
            met = [told for place, told in places if place == name]
            yield from (
                gap for gap in gaps_of(known, name) if any(same_column(gap.column, told) for told in met)
            )
    if "downstream" in steps:
        below = {step.edge.target for step in steps["downstream"]} - {node}
        silent = {name for name in known.datasets if silent_readers(known, name, below | {node})}
        for name in sorted(below | silent):
            yield from gaps_of(known, name)


def gaps_of(known: Known, unique_id: str) -> list[Gap]:
    """What is not known of a dataset."""
    lineage = known.lineages.get(unique_id)
    return [Gap(unique_id, *unknown) for unknown in lineage.unknown] if lineage else []


def silent_readers(known: Known, name: str, read: set[str]) -> set[str]:
    """Those of `read` that a dataset has as inputs, without any edge from them, where something of it is unknown."""
    lineage = known.lineages.get(name)
    if lineage is None or not lineage.unknown:
        return set()
    told = {edge.source for edge in lineage.edges}
    return (read & set(known.datasets[name].inputs)) - told
