"""A slice as trees: every column stands in full once, where it is nearest, and is referred to elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from batch_audit.lineage.explore.slices import (
    Direction,
    Gap,
    Slice,
    far_end,
    gaps_of,
    near_end,
    silent_readers,
)
from batch_audit.lineage.project import ProjectEdge
from batch_audit.lineage.project.graph import same_column

Place = tuple[str, str | None]
BranchKind = Literal["column", "influences", "gap", "cut"]


@dataclass
class Branch:
    """One line of a tree and what is below it.

    `column` is None for every column of the node. `edges` lead to it from the line above. `shown` says that it stands
    in full elsewhere: above, below, or around this line, which is a cycle. `text` is for gaps and cuts.
    """

    kind: BranchKind
    node: str = ""
    column: str | None = None
    edges: tuple[ProjectEdge, ...] = ()
    text: str = ""
    shown: Literal["", "above", "below", "around"] = ""
    children: list[Branch] = field(default_factory=list)

    def lines(self) -> Iterator[Branch]:
        """This line and all below it, from top to bottom."""
        return (line for line, _ in self.indented())

    def indented(self) -> Iterator[tuple[Branch, int]]:
        """The same, each with how far below this line it is. Ways may be longer than Python recurses."""
        waiting = [(self, 0)]
        while waiting:
            line, depth = waiting.pop()
            yield line, depth
            waiting.extend((child, depth + 1) for child in reversed(line.children))


def branches(found: Slice, direction: Direction) -> list[Branch]:
    """The trees of one direction: one of the column that was asked for, or one of each column of the dataset."""
    return _Planter(found, direction, found.node or "").plant()


class _Planter:
    """Places every column at its shortest distance: breadth first, so that a limit of depth cuts none that is near."""

    def __init__(self, found: Slice, direction: Direction, node: str) -> None:
        self._slice, self._direction, self._node = found, direction, node
        self._near: dict[str, list[ProjectEdge]] = {}
        for step in (*found.steps[direction], *found.beyond[direction]):
            self._near.setdefault(near_end(step.edge, direction)[0], []).append(step.edge)
        self._placed: dict[Place, Branch] = {}
        self._told_nodes = set[str]()
        self._references: list[Branch] = []
        self._gaps = set[Gap]()
        self._waiting: deque[tuple[Branch, int]] = deque()

    def plant(self) -> list[Branch]:
        up = self._direction == "upstream"
        roots = [Branch("column", self._node, column) for column in self._root_columns()]
        whole = Branch("influences" if up else "column", self._node)
        for root in roots:
            self._placed[_place(root)] = root
        self._waiting.extend((root, 0) for root in roots)
        if up and self._slice.column is None:
            self._waiting.append((whole, 0))
        while self._waiting:
            branch, distance = self._waiting.popleft()
            self._grow(branch, distance)
        if not up:
            self._silent(whole)
        roots += [whole] if whole.children else []
        self._refer(roots)
        return roots

    def _refer(self, roots: Sequence[Branch]) -> None:
        """Say of every line that is not in full where the one that is stands."""
        every = [pair for root in roots for pair in root.indented()]
        order = {id(line): place for place, (line, _) in enumerate(every)}
        last = _last_below([depth for _, depth in every])
        for reference in self._references:
            full, here = order[id(self._placed[_place(reference)])], order[id(reference)]
            reference.shown = "below" if full > here else "around" if here <= last[full] else "above"

    def _root_columns(self) -> list[str | None]:
        if self._slice.column is not None:
            return [self._slice.column]
        ends = [near_end(edge, self._direction)[1] for edge in self._near.get(self._node, ())]
        found: dict[str, str] = {}
        for name in (*self._slice.known.columns(self._node)[0], *filter(None, ends)):
            if name.lower() not in found and name.split(".")[0].lower() not in found:
                found[name.lower()] = name
        return list(found.values())

    def _grow(self, branch: Branch, distance: int) -> None:
        self._say_gaps(branch)
        edges = [edge for edge in self._near.get(branch.node, ()) if self._leads(edge, branch, distance)]
        if self._slice.depth is not None and distance >= self._slice.depth:
            self._say_cut(branch, edges)
            return
        whole = [edge for edge in edges if self._direction == "upstream" and edge.target_column is None]
        self._add(branch, [edge for edge in edges if edge not in whole], distance)
        if not whole or branch.node in self._told_nodes:
            return
        if branch.kind == "influences":
            self._add(branch, whole, distance)
        elif distance or self._slice.column is not None:
            self._told_nodes.add(branch.node)
            group = Branch("influences", branch.node)
            branch.children.append(group)
            self._add(group, whole, distance)

    def _leads(self, edge: ProjectEdge, branch: Branch, distance: int) -> bool:
        """Whether an edge is of this column; of the columns of one dataset, each has its own edges alone."""
        column = near_end(edge, self._direction)[1]
        if branch.kind == "influences":
            return column is None
        if distance == 0 and self._slice.column is None and column is not None:
            wanted = (branch.column or "").lower()
            return column == wanted or column.startswith(wanted + ".")
        return same_column(column, branch.column)

    def _add(self, parent: Branch, edges: Sequence[ProjectEdge], distance: int) -> None:
        grouped: dict[Place, list[ProjectEdge]] = {}
        for edge in sorted(edges, key=lambda edge: edge.kind != "DIRECT"):
            grouped.setdefault(far_end(edge, self._direction), []).append(edge)
        for place, several in grouped.items():
            first = several[0]
            up = self._direction == "upstream"
            child = Branch(
                "column", place[0], first.source_column if up else first.target_column, tuple(several)
            )
            parent.children.append(child)
            if place in self._placed:
                self._references.append(child)
            else:
                self._placed[place] = child
                self._waiting.append((child, distance + 1))

    def _say_cut(self, branch: Branch, edges: Sequence[ProjectEdge]) -> None:
        within = {far_end(step.edge, self._direction) for step in self._slice.steps[self._direction]}
        more = {far_end(edge, self._direction) for edge in edges} - within
        if more:
            branch.children.append(Branch("cut", text=f"{len(more)} more {self._direction}"))

    def _say_gaps(self, branch: Branch) -> None:
        """What is not known of this column; of the whole dataset once."""
        root = branch.node == self._node
        if self._direction == "upstream":
            self._gap_lines(branch, branch.node, branch.column)
        elif not root:
            # Whatever is not known of a reader may be how it reads this column.
            self._gap_lines(branch, branch.node, None)
            self._silent(branch)

    def _gap_lines(self, branch: Branch, node: str, column: str | None) -> None:
        one_of_many = self._slice.column is None and node == self._node and column is not None
        for gap in gaps_of(self._slice.known, node):
            told = str(gap.column).lower() if one_of_many else gap.column
            fits = told == str(column).lower() if one_of_many else same_column(told, column)
            if gap not in self._gaps and fits:
                self._gaps.add(gap)
                where = [] if node == branch.node else [self._slice.known.label(node)]
                where += [gap.column] if gap.column is not None and gap.column != branch.column else []
                text = (".".join(where) + ": " if where else "") + gap.reason
                branch.children.append(Branch("gap", node, gap.column, text=text))

    def _silent(self, branch: Branch) -> None:
        for name in sorted(self._slice.known.datasets):
            if silent_readers(self._slice.known, name, {branch.node}):
                self._gap_lines(branch, name, None)


def _last_below(depths: Sequence[int]) -> list[int]:
    """For lines of a tree, by how far they are indented, the place of the last one below each."""
    last = [len(depths) - 1] * len(depths)
    open_lines: list[int] = []
    for place, depth in enumerate(depths):
        while open_lines and depths[open_lines[-1]] >= depth:
            last[open_lines.pop()] = place - 1
        open_lines.append(place)
    return last


def _place(branch: Branch) -> Place:
    return branch.node, branch.column and branch.column.lower()
