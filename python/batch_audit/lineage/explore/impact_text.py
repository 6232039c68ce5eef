"""An impact for people: a tree on a terminal, Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.text import Text
from rich.tree import Tree

from batch_audit.lineage.explore.changes import ColumnChange, NodeChange
from batch_audit.lineage.explore.impact_machine import first_step
from batch_audit.lineage.explore.touched import Impact, Touched
from batch_audit.reports.text import counted, shortened, visible

_SIGN = {"added": "+", "removed": "-", "changed": "~"}
_STYLE = {"added": "green", "removed": "red", "changed": "cyan"}
_LINE = 160
_MOST_COLUMNS = 12
# A comment on GitHub holds 65,536 characters; what is longer is refused, not cut.
_MOST_ROWS = 100
_MARKUP = re.compile(r"[\\*_\[\]~`<>&@|$#](?!58;//)")


def summary(impact: Impact) -> str:
    """`2 models changed, 3 columns removed, 5 downstream`."""
    kinds = {
        name: sum(change.change == name for change in impact.changes)
        for name in ("added", "removed", "changed")
    }
    columns = [c for change in impact.changes if change.change == "changed" for c in change.columns]
    said = [f"{counted(count, 'node')} {name}" for name, count in kinds.items() if count]
    for name in ("added", "removed", "changed"):
        count = sum(column.change == name for column in columns)
        said += [f"{counted(count, 'column')} {name}"] if count else []
    broken = sum(bool(one.broken) for one in impact.touched)
    said += [f"{counted(len(impact.touched), 'node')} touched downstream"] if said else []
    said += [f"{counted(broken, 'node')} still reading what is gone"] if broken else []
    return ", ".join(said) or "no difference in any model or column"


def painted(impact: Impact) -> Iterator[Text | Tree]:
    """The changes, then what they touch, nearest first."""
    yield Text(summary(impact), "bold")
    if impact.changes:
        tree = Tree(Text("changed", "bold"), guide_style="dim")
        for change in impact.changes:
            _paint_change(impact, change, tree)
        yield tree
    if impact.touched:
        tree = Tree(Text("touched downstream", "bold"), guide_style="dim")
        for one in impact.touched:
            _paint_touched(impact, one, tree)
        yield tree


def _paint_change(impact: Impact, change: NodeChange, tree: Tree) -> None:
    label = f"{_SIGN[change.change]} {visible(impact.label(change.unique_id))}"
    below = tree.add(Text(label, _STYLE[change.change]).append(f"  {_said(change)}", "dim"))
    if change.change != "changed":
        return
    for column in change.columns:
        text = Text(f"{_SIGN[column.change]} {visible(column.column)}", _STYLE[column.change])
        line = below.add(text.append(f"  {', '.join(column.what)}", "dim"))
        if column.change == "changed":
            _paint_lines(line, column.before, column.after)
    if change.rows:
        _paint_lines(
            below.add(Text("~ every column: its rows", "cyan")), change.rows_before, change.rows_after
        )
    for reason in change.unknown:
        below.add(Text(f"? {visible(reason)}", "magenta"))


def _paint_lines(tree: Tree, before: Sequence[str], after: Sequence[str]) -> None:
    for sign, style, lines, others in (("-", "red", before, after), ("+", "green", after, before)):
        for line in lines:
            if line not in others:
                tree.add(Text(f"{sign} {visible(shortened(line, _LINE))}", style))


def _said(change: NodeChange) -> str:
    if change.change != "changed":
        return f"{change.change}, {counted(len(change.columns), 'column')}"
    return change.elsewhere


def _paint_touched(impact: Impact, one: Touched, tree: Tree) -> None:
    text = Text(visible(impact.label(one.unique_id)), "cyan")
    owner = impact.after.owners.get(one.unique_id)
    if owner:
        text.append(f"  {visible(owner)}", "bold")
    text.append(f"  {_columns(one)}")
    if one.first is not None:
        text.append(f"  {_way(impact, one)}", "dim")
    below = tree.add(text)
    if one.broken:
        below.add(Text(f"! still reads {visible(', '.join(one.broken))}, which is gone", "bold red"))
    if one.unknown:
        below.add(Text(f"? whether it is touched is not known: {visible(one.unknown)}", "magenta"))


def _columns(one: Touched) -> str:
    """The columns that values reach; those that are merely influenced; every one at once."""
    values = [str(column) for column, direct in one.columns.items() if direct and column is not None]
    whole = None in one.columns
    others = [str(column) for column, direct in one.columns.items() if not direct and column is not None]
    said = [_listed(values)] if values else []
    if whole:
        said.append("every column influenced")
    elif others:
        said.append(f"influenced: {_listed(others)}")
    return "; ".join(said).replace("*", "columns not known")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_COLUMNS
    shown = ", ".join(visible(name) for name in names[:_MOST_COLUMNS])
    return shown + (f" and {more} more" if more > 0 else "")


def _way(impact: Impact, one: Touched) -> str:
    further = one.distance - 1
    return f"by {visible(first_step(impact, one))}" + (
        f", {counted(further, 'step')} further" if further > 0 else ""
    )


def as_markdown(impact: Impact) -> str:
    """Tables for a comment on a pull request, at most 100 rows each, with the number of those left out."""
    parts = [f"### Column lineage\n\n{_escaped(summary(impact))}\n"]
    if impact.changes:
        rows = [row for change in impact.changes for row in _change_rows(impact, change)]
        parts.append(_table(("changed", "column", "how"), rows))
    if impact.touched:
        rows = [_touched_row(impact, one) for one in impact.touched]
        parts.append(_table(("touched downstream", "columns", "by", "owner"), rows))
    return "\n".join(parts)


def _change_rows(impact: Impact, change: NodeChange) -> Iterator[list[str]]:
    name = impact.label(change.unique_id)
    if change.change != "changed" or change.elsewhere:
        yield [name, "", _said(change)]
    if change.change != "changed":
        return
    for column in change.columns:
        yield [name, column.column, _how(column)]
    if change.rows:
        yield [name, "every column", "rows: " + _difference(change.rows_before, change.rows_after)]
    for reason in change.unknown:
        yield [name, "", f"not known: {reason}"]


def _how(column: ColumnChange) -> str:
    if column.change != "changed":
        return column.change
    return f"{', '.join(column.what)}: {_difference(column.before, column.after)}"


def _difference(before: Sequence[str], after: Sequence[str]) -> str:
    gone = [f"- {shortened(line, _LINE)}" for line in before if line not in after]
    new = [f"+ {shortened(line, _LINE)}" for line in after if line not in before]
    return "; ".join([*gone, *new])


def _touched_row(impact: Impact, one: Touched) -> list[str]:
    said = [_columns(one)] if one.columns else []
    said += [f"still reads {', '.join(one.broken)}, which is gone"] if one.broken else []
    said += [f"whether it is touched is not known: {one.unknown}"] if one.unknown else []
    way = (
        _way(impact, one).removeprefix("by ")
        if one.first is not None
        else ", ".join(map(impact.label, one.origins))
    )
    return [impact.label(one.unique_id), "; ".join(said), way, impact.after.owners.get(one.unique_id) or ""]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows[:_MOST_ROWS]]
    more = len(rows) - _MOST_ROWS
    return "\n".join(lines) + "\n" + (f"\n… {counted(more, 'more row')}\n" if more > 0 else "")


def _escaped(text: str) -> str:
    """Text that Markdown takes as it is: no markup, no HTML, no mention of anybody."""
    line = " ".join(visible(shortened(text, 600)).split()).replace("://", "&#58;//")
    return _MARKUP.sub(
        lambda found: "\\" + found[0] if found[0] in r"\*_[]~" else f"&#{ord(found[0])};", line
    )
