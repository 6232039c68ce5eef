"""Trees of a slice on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.text import Text
from rich.tree import Tree

from batch_audit.lineage.explore.branches import Branch, branches
from batch_audit.lineage.explore.known import Known
from batch_audit.lineage.explore.slices import Direction, Slice
from batch_audit.lineage.project import ProjectEdge
from batch_audit.lineage.schema import split_name
from batch_audit.reports.text import shortened, visible

_EXPRESSION = 60
_ONLY_NAMES = re.compile(r'[\w.*"`]+')
_NOTHING: dict[Direction, str] = {"upstream": "reads no column", "downstream": "nothing reads it"}
_FROM = {"documentation": "documented", "inferred": "as its code gives them"}


def painted(found: Slice) -> Iterator[Text | Tree]:
    """A heading, then a tree for each direction. Colours are the terminal's own, which suit its background."""
    if found.node is not None:
        yield _heading(found, found.node)
    for direction in found.steps:
        yield _tree(found, direction)
    unseen = len(found.gaps)
    if unseen:
        yield Text(f"{unseen} unknown: marked ? above. The lineage is not complete there.", "magenta")


def _heading(found: Slice, node: str) -> Text:
    dataset = found.known.datasets[node]
    columns, whence = found.known.columns(node)
    text = _name(found.known, node, found.column, whole="")
    said = [dataset.kind]
    if found.column is None and dataset.kind != "exposure":
        told = f"{len(columns)} column{'' if len(columns) == 1 else 's'}" if columns else "columns not known"
        said.append(" ".join(filter(None, [told, _FROM.get(whence, "") if columns else ""])))
    return text.append(f"  {', '.join(said)}", "dim")


def _tree(found: Slice, direction: Direction) -> Tree:
    tree = Tree(Text(direction, "bold"), guide_style="dim")
    roots = branches(found, direction)
    silent = [root for root in roots if not root.children and not root.edges]
    for root in roots:
        if found.column is None and root not in silent:
            _grow(found.known, root, tree, root=True)
        elif found.column is not None and root.kind == "column" and root.column is not None:
            for child in root.children:
                _grow(found.known, child, tree)
        elif root not in silent:
            _grow(found.known, root, tree, root=True)
    if silent:
        which = "" if found.column else ", ".join(visible(str(root.column)) for root in silent) + ": "
        tree.add(Text(f"{which}{_NOTHING[direction]}", "dim"))
    elif not roots:
        tree.add(Text("nothing", "dim"))
    return tree


def _grow(known: Known, branch: Branch, tree: Tree, *, root: bool = False) -> None:
    """Add a branch with all below it; ways may be longer than Python recurses."""
    at = [tree]
    for line, depth in branch.indented():
        del at[depth + 1 :]
        at.append(at[depth].add(_label(known, line, root and not depth)))


def _label(known: Known, branch: Branch, root: bool) -> Text:
    if branch.kind == "gap":
        return Text(f"? {visible(branch.text)}", "magenta")
    if branch.kind == "cut":
        return Text(f"… {branch.text}", "dim")
    if branch.kind == "influences" or (root and branch.column is None):
        return Text("every column", "italic")
    text = Text(visible(str(branch.column)), "bold") if root else _name(known, branch.node, branch.column)
    _say_edges(text, branch)
    if branch.shown:
        text.append("  (a cycle)" if branch.shown == "around" else f"  (see {branch.shown})", "dim")
    return text


def _say_edges(text: Text, branch: Branch) -> None:
    """How the column gets into the line above: values by their subtype, the rest as influences."""
    direct = dict.fromkeys(_word(edge.subtype) for edge in branch.edges if edge.kind == "DIRECT")
    influences = dict.fromkeys(_word(edge.subtype) for edge in branch.edges if edge.kind != "DIRECT")
    if direct:
        text.append("  " + ", ".join(direct), "green")
    if influences:
        text.append(f"  influences ({', '.join(influences)})", "dim italic")
    # An influence passes no value on, so there is nothing that could be hidden.
    masking = {edge.masking for edge in branch.edges if edge.kind == "DIRECT"}
    if True in masking:
        text.append("  masked" if masking == {True} else "  masked in part", "bold magenta")
    notes = dict.fromkeys(edge.note for edge in branch.edges if edge.note and edge.source_column != "*")
    expressions = dict.fromkeys(map(_expression, branch.edges))
    for said in (*filter(None, expressions), *notes):
        text.append("  " + visible(said), "dim")


def _expression(edge: ProjectEdge) -> str:
    """The SQL on one line; nothing where it only names the column."""
    line = " ".join(edge.expression.split())
    named = split_name(line)[-1:] if _ONLY_NAMES.fullmatch(line) else ()
    plain = [name.lower() for name in named] == [edge.source_column.lower().split(".")[-1]]
    return "" if plain else shortened_line(line)


def shortened_line(line: str) -> str:
    """The beginning of a line of SQL."""
    return line if len(line) <= _EXPRESSION else line[: _EXPRESSION - 1] + "…"


def _name(known: Known, node: str, column: str | None, whole: str = " (every column)") -> Text:
    text = Text().append(visible(shortened(known.label(node))), "cyan")
    if column is None:
        return text.append(whole, "italic")
    return text.append(".").append(visible(shortened(column)), "bold")


def _word(subtype: str) -> str:
    return subtype.lower().replace("_", " ")
