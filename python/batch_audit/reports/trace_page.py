"""Turns an answer of `batch-audit trace` into what its page shows, in words. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from batch_audit.history.moments import utc
from batch_audit.reports.render import render
from batch_audit.reports.text import counted, record_key
from batch_audit.trace.answer import Answer
from batch_audit.trace.paths import Branch, branches, path_labels, reasons
from batch_audit.trace.result import Label, Record, Trace, Written, weakest

LINES_SHOWN = 2_000
_TITLES = {"upstream": "Where it came from", "downstream": "Where it went"}


@dataclass(frozen=True)
class Place:
    """Where a line stands among the nested lists: its depth, from 1, and which lists begin and end there.

    `opens`: one begins before it. `parent`: the next line is under it. `closes`: so many end after it.
    """

    depth: int
    opens: bool
    parent: bool
    closes: int


@dataclass(frozen=True)
class Line:
    """A line of the tree. `label` of a record is that of its path, where that is weaker than its step."""

    kind: Literal["record", "hop", "more", "stop"]
    place: Place
    node: str = ""
    key: Sequence[tuple[str, str | None]] = ()
    text: str = ""
    via: str = ""
    label: Label | None = None
    filter_label: Label | None = None
    hash: str = ""
    written: str = ""
    note: str = ""
    seen: bool = False
    role: str = "value"
    changed: bool = False
    stored: bool = False


@dataclass(frozen=True)
class Section:
    """One direction: its tree, and what a reader has to know of it. `left_out` lines of the tree are not shown."""

    name: str
    title: str
    sentence: str
    lines: Sequence[Line]
    left_out: int
    reasons: Sequence[tuple[str, Sequence[str]]]
    cut: Sequence[str]


@dataclass(frozen=True)
class TracePage:
    """What the template needs."""

    name: str
    key: Sequence[tuple[str, str | None]]
    label: Label
    sentence: str
    facts: Sequence[tuple[str, str, str]]
    sections: Sequence[Section]
    origin: str


def render_trace(found: Answer) -> str:
    """The page: no script, no network. The same answer gives the same bytes."""
    return render("trace.html.j2", ["report.css", "trace.css"], page=build_trace_page(found))


def build_trace_page(found: Answer) -> TracePage:
    """What the page of an answer shows."""
    root = found.root
    label = weakest(hop.label for one in found.traces for hop in one.hops)
    doubted = any(hop.doubts for one in found.traces for hop in one.hops)
    label = weakest((label, "unknown")) if doubted else label
    return TracePage(
        found.names.get(root.node, root.node), _key(root), label, _SENTENCES[label], list(_facts(found)),
        [_section(one, found) for one in found.traces], found.origin.sentence(),
    )  # fmt: skip


_SENTENCES: dict[Label, str] = {
    "exact": "Every step is exact: these records and no others.",
    "superset": "No record is missing; some steps may list records too many, and say why.",
    "unknown": "Some steps are not known, and say why.",
}


def _facts(found: Answer) -> Iterator[tuple[str, str, str]]:
    root = found.root
    yield (
        "Record hash",
        root.hash or "–",
        {
            "as logged": "as its last captured change logged it",
            "changed": root.note or "not as it was logged",
            "gone": "it is not there",
            "not logged": root.note or "no change of it is on record to compare with",
        }[root.state],
    )
    yield "Written", written_text(root.written), _BASIS[root.written.basis]
    for one in found.traces:
        others = [name for name in one.records if name != root.name]
        nodes = len({name[0] for name in others})
        yield _TITLES[one.direction], counted(len(others), "record"), f"of {counted(nodes, 'relation')}"


_BASIS = {
    "change log": "from the change log",
    "first capture": "it has not changed since: written then, or before",
    "last build": "the last build of its model, which is not captured",
    "view": "it is made when it is read",
    "source": "it comes from outside the project",
    "unknown": "nothing on record tells",
}


def written_text(written: Written) -> str:
    """The batch and the time that wrote a record."""
    if written.batch_id is None:
        return {"view": "a view", "source": "a source"}.get(written.basis, "not known")
    return f"{utc(written.at or 0)} by batch {written.batch_id}"


def _section(found: Trace, answer: Answer) -> Section:
    drawn = list(branches(found))
    shown = drawn[1:][:LINES_SHOWN]
    labels = path_labels(found)
    lines = []
    for place, (depth, branch) in enumerate(shown):
        before = shown[place - 1][0] if place else 0
        after = shown[place + 1][0] if place + 1 < len(shown) else 0
        path = labels.get(branch.record.name, "exact") if branch.record else "exact"
        where = Place(depth, depth > before, after > depth, max(depth - after, 0))
        lines.append(_line(branch, where, answer, found, path))
    said = [(answer.names.get(node, node), list(own)) for node, own in reasons(found).items()]
    others = len(found.records) - 1
    sentence = f"{counted(others, 'record')} in {counted(len(found.hops), 'step')}." if found.hops else (
        "No step leads from here."
    )  # fmt: skip
    return Section(
        found.direction, _TITLES[found.direction], sentence, lines, len(drawn) - 1 - len(shown), said, found.cut
    )  # fmt: skip


def _line(branch: Branch, place: Place, answer: Answer, found: Trace, path: Label) -> Line:
    if branch.kind == "hop" and branch.hop is not None:
        hop = branch.hop
        node = answer.names.get(hop.node, hop.node) if found.direction == "downstream" else ""
        via = ", ".join(answer.names.get(one, one) for one in hop.via)
        filters = None if hop.filter_label == "exact" else hop.filter_label
        step = hop.step if hop.step != "unknown" else "a step that is not known"
        return Line(
            "hop",
            place,
            node,
            text=step,
            via=via,
            label=branch.label,
            filter_label=filters,
            stored=hop.stored,
        )
    if branch.kind == "record" and branch.record is not None:
        record = branch.record
        return Line(
            "record", place, answer.names.get(record.node, record.node), _key(record), branch.text,
            label=None if path == branch.label else path, hash=record.hash or "", written=written_text(record.written),
            note=record.note or ("it is not there any more" if record.state == "gone" else ""), seen=branch.seen,
            role=branch.role, changed=branch.changed,
        )  # fmt: skip
    if branch.kind == "more":
        return Line("more", place, answer.names.get(branch.node, branch.node), text=f"{branch.count:,}")
    return Line("stop", place, text=branch.text)


def _key(record: Record) -> list[tuple[str, str | None]]:
    values = record_key(record.record_id)
    names = record.key if len(record.key) == len(values) else [""] * len(values)
    return list(zip(names, values, strict=True))
