"""What differs between two states of a project: models, columns, and how the columns are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from batch_audit.lineage.explore.known import Known
from batch_audit.lineage.explore.machine import edge_order
from batch_audit.lineage.project import NodeLineage, Project, ProjectEdge

Change = Literal["added", "removed", "changed"]
CodeSame = Literal["same", "text", "changed"]


@dataclass(frozen=True)
class ColumnChange:
    """A column that was added, removed, or is made in another way.

    `what` says in which: its sources, how they get into it (`kind`), or the expression alone. `before` and `after` are
    one line for each edge of it.
    """

    column: str
    change: Change
    what: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeChange:
    """A node with a difference.

    `rows_before` and `rows_after`: what filters, joins, groups or sorts it, where that differs, so every column is
    touched. `elsewhere`: its code or data differ in a way that no column shows. `unknown`: why columns could not be
    compared.
    """

    unique_id: str
    change: Change
    columns: tuple[ColumnChange, ...] = ()
    rows_before: tuple[str, ...] = ()
    rows_after: tuple[str, ...] = ()
    elsewhere: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def rows(self) -> bool:
        """Whether another set of rows may come out."""
        return bool(self.rows_before or self.rows_after)

    @property
    def whole(self) -> bool:
        """Whether every column may have other values."""
        return self.change != "changed" or self.rows or bool(self.elsewhere)


@dataclass(frozen=True)
class State:
    """A project and what is known of its columns. `checksums`: unique_id to the hash of the node's own file."""

    project: Project
    known: Known
    checksums: Mapping[str, str]
    owners: Mapping[str, str]


def changes_between(before: State, after: State, code: Mapping[str, CodeSame]) -> list[NodeChange]:
    """The differences, by unique_id. `code`: whether the code of nodes in both states is the same."""
    found = []
    for name in sorted(set(before.project.nodes) | set(after.project.nodes)):
        if name not in after.project.nodes:
            found.append(NodeChange(name, "removed", _all_columns(before, name, "removed")))
        elif name not in before.project.nodes:
            found.append(NodeChange(name, "added", _all_columns(after, name, "added")))
        else:
            found += _changed(before, after, name, code.get(name, "same"))
    return found


def _all_columns(state: State, name: str, change: Change) -> tuple[ColumnChange, ...]:
    lineage = state.known.lineages.get(name)
    return tuple(ColumnChange(column, change) for column in lineage.columns) if lineage else ()


def _changed(before: State, after: State, name: str, code: CodeSame) -> Iterator[NodeChange]:
    old, new = before.known.lineages.get(name), after.known.lineages.get(name)
    if old is None or new is None:
        return
    if missing := [
        said for said, state in (("earlier", before), ("present", after)) if _uncompiled(state, name)
    ]:
        if before.checksums.get(name) != after.checksums.get(name):
            where = " and the ".join(missing)
            reason = (
                f"its compiled code is not known in the {where} manifest, so its columns cannot be compared"
            )
            yield NodeChange(name, "changed", elsewhere="its file differs", unknown=(reason,))
        return
    unlike = before.checksums.get(name) != after.checksums.get(name)
    if code == "same" and not unlike and _shape(old) == _shape(new):
        return
    was, now = _by_column(before, old), _by_column(after, new)
    rows = [
        sorted({_row(edge, state) for edge in found.get(None, ())})
        for state, found in ((before, was), (after, now))
    ]
    rows = rows if rows[0] != rows[1] else [[], []]
    columns = tuple(_columns(before, after, old, new, was, now))
    elsewhere = _elsewhere(before, after, name, code, bool(columns or rows[0] or rows[1]))
    # Unknown is worth a word only where the code differs: else it was as unknown before.
    unknown = tuple(dict.fromkeys(reason for _, reason, _ in new.unknown)) if code == "changed" else ()
    if columns or rows[0] or rows[1] or elsewhere:
        yield NodeChange(name, "changed", columns, tuple(rows[0]), tuple(rows[1]), elsewhere, unknown)


def _uncompiled(state: State, name: str) -> bool:
    node = state.project.nodes[name]
    return node.kind in ("model", "snapshot") and node.language == "sql" and not node.code


def _elsewhere(before: State, after: State, name: str, code: CodeSame, shown: bool) -> str:
    differ = before.checksums.get(name) != after.checksums.get(name)
    node = after.project.nodes[name]
    if differ and node.kind == "seed":
        return "its data differ"
    if differ and node.language != "sql":
        return "its code differs"
    if code == "changed" and not shown:
        return "its code differs, in a way that no column shows"
    return ""


def _shape(lineage: NodeLineage) -> tuple[object, ...]:
    """What is told of a node apart from its texts, which its code makes."""
    edges = {(e.source, e.source_column, e.target_column, e.subtype, e.masking) for e in lineage.edges}
    return lineage.columns, edges


_Edges = dict[str | None, list[ProjectEdge]]


def _by_column(state: State, lineage: NodeLineage) -> _Edges:
    found: _Edges = {}
    for edge in sorted(lineage.edges, key=edge_order):
        if edge.target == lineage.unique_id:
            found.setdefault(edge.target_column and edge.target_column.lower(), []).append(edge)
    return found


def _columns(
    before: State, after: State, old: NodeLineage, new: NodeLineage, was: _Edges, now: _Edges
) -> Iterator[ColumnChange]:
    names_old, names_new = _names(old, was), _names(new, now)
    certain = bool(old.columns and new.columns)
    for key in dict.fromkeys([*names_new, *names_old]):
        one, other = was.get(key, ()), now.get(key, ())
        lines = tuple(_row(edge, before) for edge in one), tuple(_row(edge, after) for edge in other)
        if key not in names_old and certain:
            yield ColumnChange(names_new[key], "added", (), *lines)
        elif key not in names_new and certain:
            yield ColumnChange(names_old[key], "removed", (), *lines)
        elif what := _what(one, other, before, after):
            yield ColumnChange(names_new.get(key) or names_old[key], "changed", what, *lines)


def _names(lineage: NodeLineage, edges: _Edges) -> dict[str, str]:
    """Column in lower case to its spelling; where the columns are not known, those that have edges."""
    names = {column.lower(): column for column in lineage.columns}
    if not names or "*" in edges:
        names |= {key: key for key in edges if key is not None and key not in names}
    return names


def _what(
    one: Sequence[ProjectEdge], other: Sequence[ProjectEdge], before: State, after: State
) -> tuple[str, ...]:
    """In which way the edges of a column differ; nothing if they do not."""
    sources = [{(e.source, e.source_column.lower(), e.kind) for e in edges} for edges in (one, other)]
    kinds = [
        {(e.source, e.source_column.lower(), e.subtype, e.masking) for e in edges} for edges in (one, other)
    ]
    texts = [
        {plain(e.expression, state.project, e.owner) for e in edges}
        for edges, state in ((one, before), (other, after))
    ]
    found = []
    if sources[0] != sources[1]:
        found.append("sources")
    elif kinds[0] != kinds[1]:
        found.append("kind")
    if texts[0] != texts[1]:
        found.append("expression")
    return tuple(found)


def _row(edge: ProjectEdge, state: State) -> str:
    """An edge in one line, the same whatever database it was compiled for."""
    masked = ", masked" if edge.masking else ""
    source = f"{state.known.label(edge.source)}.{edge.source_column}"
    text = plain(edge.expression, state.project, edge.owner)
    return f"{source} ({edge.subtype.lower().replace('_', ' ')}{masked})" + (f": {text}" if text else "")


def plain(text: str, project: Project, unique_id: str) -> str:
    """SQL of a node on one line, with unique_ids for its inputs' relations, whose names differ by environment."""
    return " ".join(_renamed(text, project, unique_id, str).split())


def _renamed(text: str, project: Project, unique_id: str, name_of: Callable[[str], str]) -> str:
    node = project.nodes.get(unique_id)
    for name in (*(node.inputs if node else ()), unique_id):
        other = project.nodes.get(name)
        if other is not None and other.name and not other.ephemeral:
            text = _relation(other.name).sub(name_of(name).replace("\\", r"\\"), text)
    return text


@cache
def _relation(name: tuple[str, ...]) -> re.Pattern[str]:
    """A relation's name as dbt writes it: with its schema, and its database where the engine has one; any quotes."""
    parts = [rf'["`\[]?{re.escape(part)}["`\]]?' for part in name]
    optional = f"(?:{parts[0]}\\.)?" if len(parts) > 2 else ""
    return re.compile(r"(?<![\w.\"`])" + optional + r"\.".join(parts[-2:]) + r"(?![\w\"`])", re.IGNORECASE)


def compare_code(before: Project, after: Project, names: Iterable[str]) -> dict[str, CodeSame]:
    """Whether the code of these nodes is the same: by its text, else by what a parser makes of it."""
    found: dict[str, CodeSame] = {}
    for name in names:
        old, new = before.nodes.get(name), after.nodes.get(name)
        if old is None or new is None or new.language != "sql":
            continue
        one = _renamed(old.code or "", before, name, _one_word)
        other = _renamed(new.code or "", after, name, _one_word)
        if one == other:
            found[name] = "same"
        elif _parsed(one, after.dialect) == _parsed(other, after.dialect):
            found[name] = "text"
        else:
            found[name] = "changed"
    return found


def _one_word(unique_id: str) -> str:
    return re.sub(r"\W", "__", unique_id)


def _parsed(sql: str, dialect: str | None) -> str:
    """The SQL as the parser writes it, without comments; as it is where it cannot be parsed."""
    import sqlglot

    try:
        trees = sqlglot.parse(sql, read=dialect)
        return ";".join(tree.sql(dialect=dialect, comments=False) for tree in trees if tree)
    except Exception:  # a parser's failure says nothing about whether two texts are the same
        return sql
