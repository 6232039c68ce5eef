"""A trace as a tree on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text
from rich.tree import Tree

from batch_audit.history.moments import utc
from batch_audit.ledger.text import NULL_FIELD
from batch_audit.reports.text import shortened, visible
from batch_audit.trace.paths import Branch, branches, path_labels, reasons
from batch_audit.trace.result import Hop, Label, Name, Record, Trace, Written

LINES_SHOWN = 1_000
_HASH = 12
_VALUE = 60
_COLOURS: Mapping[Label, str] = {"exact": "green", "superset": "yellow", "unknown": "magenta"}


def painted(found: Trace, names: Mapping[str, str], *, headed: bool = False) -> Iterator[Text | Tree]:
    """The tree, then why hops are not exact and what was not followed. `names` are those of nodes for people.

    `headed`: its direction stands before it.
    """
    if headed:
        yield Text(found.direction, "bold")
    labels = path_labels(found)
    trees: list[Tree] = []
    drawn = list(branches(found))
    for depth, branch in drawn[:LINES_SHOWN]:
        line = _line(found, branch, names, labels)
        if depth == 0:
            trees = [Tree(line, guide_style="dim")]
            continue
        del trees[depth:]
        trees.append(trees[depth - 1].add(line))
    if len(drawn) > LINES_SHOWN:
        more = f"… {len(drawn) - LINES_SHOWN:,} more lines: --format json or csv has them all"
        trees[0].add(Text(more, "dim"))
    if not found.hops:
        trees[0].add(Text(_nothing(found), "dim"))
    yield trees[0]
    for node, said in reasons(found).items():
        for reason in said:
            yield Text(f"{visible(names.get(node, node))}: {visible(reason)}", "dim")
    for line_of_cut in found.cut:
        yield Text(f"not followed: {visible(line_of_cut)}", "dim")


def _nothing(found: Trace) -> str:
    if found.direction == "downstream":
        return "no record of another model came from it"
    return "a leaf: its records come from outside the project, or nothing is known of their code"


def _line(found: Trace, branch: Branch, names: Mapping[str, str], labels: Mapping[Name, Label]) -> Text:
    if branch.kind == "hop" and branch.hop is not None:
        return _hop(found, branch.hop, branch.label, names)
    if branch.kind == "record" and branch.record is not None:
        return _record(branch, branch.record, names, labels)
    if branch.kind == "more":
        role = " that decided" if branch.role == "filter" else ""
        return Text(f"… {branch.count:,} more of {visible(names.get(branch.node, branch.node))}{role}", "dim")
    return Text(visible(branch.text), "dim")


def _hop(found: Trace, hop: Hop, label: Label, names: Mapping[str, str]) -> Text:
    text = Text()
    if found.direction == "downstream":
        text.append(visible(names.get(hop.node, hop.node)), "cyan").append(" by ")
    text.append(hop.step if hop.step != "unknown" else "a step that is not known", "italic")
    if hop.via:
        text.append(f" via {', '.join(visible(names.get(node, node)) for node in hop.via)}", "dim")
    if hop.stored:
        text.append("  as stored by its batch", "dim")
    text.append("  ").append(label, _COLOURS[label])
    if hop.filter_label != "exact":
        text.append("  filters ").append(hop.filter_label, _COLOURS[hop.filter_label])
    return text


def _record(branch: Branch, record: Record, names: Mapping[str, str], labels: Mapping[Name, Label]) -> Text:
    text = Text().append(visible(names.get(record.node, record.node)), "cyan").append(" ")
    text.append(key_text(record), "bold")
    if branch.role == "filter":
        text.append(f"  {branch.text}", "italic")
    path = labels.get(record.name, "exact")
    if path != branch.label:
        text.append(f"  {path} along its path", _COLOURS[path])
    if branch.seen:
        return text.append("  (see above)", "dim")
    text.append(f"  {written_text(record.written)}", "dim")
    if record.hash is not None:
        text.append(f"  hash {record.hash[:_HASH]}", "dim")
    if branch.changed:
        text.append("  changed since it was used", "yellow")
    if record.note or record.state == "gone":
        text.append(f"  {visible(record.note or 'it is not there any more')}", "bold red")
    return text


def key_text(record: Record) -> str:
    """The key of a record: its value, or `column value` pairs where it has several."""
    values = [
        "null"
        if value == NULL_FIELD
        else visible(shortened(value.replace("~1", "|").replace("~0", "~"), _VALUE))
        for value in record.record_id.split("|")
    ]
    if len(record.key) == len(values) and len(values) > 1:
        return ", ".join(f"{visible(name)} {value}" for name, value in zip(record.key, values, strict=True))
    return ", ".join(values)


def written_text(written: Written) -> str:
    """Which batch wrote a record, and what tells so."""
    when = "" if written.at is None else f", {utc(written.at)}"
    batch = (written.batch_id or "")[:8]
    return {
        "change log": f"batch {batch}{when}",
        "first capture": f"batch {batch}{when}, or before: not changed since",
        "last build": f"last build: batch {batch}{when}",
        "view": "a view",
        "source": "a source",
        "unknown": "when it was written is not known",
    }[written.basis]
