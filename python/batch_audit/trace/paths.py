"""What holds along paths, and a trace as the branches of a tree. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from batch_audit.trace.result import Edge, Hop, Label, Name, Record, Role, Trace, strongest, weakest


def path_labels(found: Trace) -> dict[Name, Label]:
    """The label of each record that was met: that of its best path, each as weak as its weakest hop."""
    labels: dict[Name, Label] = {found.root.name: "exact"}
    changed = True
    while changed:
        changed = False
        for hop in found.hops:
            for edge in hop.edges:
                changed = _relax(labels, found, hop, edge) or changed
    return labels


def _relax(labels: dict[Name, Label], found: Trace, hop: Hop, edge: Edge) -> bool:
    source = edge.source_node, edge.source
    if edge.target is None:
        if found.direction == "downstream":
            return False
        starts = [(hop.node, one) for one in hop.records if (hop.node, one) in labels]
        near, far = (starts[0] if starts else None), source
    elif found.direction == "upstream":
        near, far = (hop.node, edge.target), source
    else:
        near, far = source, (hop.node, edge.target)
    if near is None or near not in labels:
        return False
    label = weakest((labels[near], edge_label(hop, edge)))
    better = label if far not in labels else strongest((label, labels[far]))
    if labels.get(far) == better:
        return False
    labels[far] = better
    return True


def edge_label(hop: Hop, edge: Edge) -> Label:
    """The label of one edge."""
    return hop.filter_label if edge.role == "filter" else hop.label_of(edge.target)


def reasons(found: Trace) -> dict[str, list[str]]:
    """Why hops are not exact, by the node whose records they make, each reason once."""
    said: dict[str, dict[str, None]] = {}
    for hop in found.hops:
        own = said.setdefault(hop.node, {})
        own |= dict.fromkeys((*hop.reasons, *hop.doubts.values()))
        own |= dict.fromkeys(f"filters: {reason}" for reason in hop.filter_reasons)
    return {node: list(own) for node, own in said.items() if own}


@dataclass(frozen=True)
class Branch:
    """A line of the tree. A `record` has its record, and `seen` where it was drawn before; a `hop` what it does and how
    sure that is; `more` how many records are left out. `changed`: the record is changed since it was used.
    """

    kind: Literal["record", "hop", "more", "stop"]
    record: Record | None = None
    hop: Hop | None = None
    label: Label = "exact"
    role: Role = "value"
    seen: bool = False
    count: int = 0
    node: str = ""
    text: str = ""
    changed: bool = False


def branches(found: Trace) -> Iterator[tuple[int, Branch]]:
    """The tree in the order in which it is drawn, each line with its depth; a record's own branches are drawn once."""
    index = _index(found)
    drawn: set[Name] = set()
    stack: list[tuple[int, Branch]] = [(0, Branch("record", found.root))]
    while stack:
        depth, branch = stack.pop()
        if branch.kind == "record" and branch.record is not None:
            name = branch.record.name
            seen = name in drawn
            below = [] if seen and index.get(name) else index.get(name, [])
            yield depth, branch if not (seen and index.get(name)) else _again(branch)
            drawn.add(name)
            if branch.role == "value" or branch.record is found.root or below:
                stack += [(depth + 1, one) for one in reversed(below)]
        else:
            yield depth, branch
            if branch.hop is not None and branch.kind == "hop":
                stack += [(depth + 1, one) for one in reversed(_under(found, branch))]


def _again(branch: Branch) -> Branch:
    return replace(branch, seen=True)


def _index(found: Trace) -> dict[Name, list[Branch]]:
    """The hops of each record."""
    index: dict[Name, list[Branch]] = {}
    for hop in found.hops:
        if found.direction == "upstream":
            for one in hop.records:
                label = hop.label_of(one)
                index.setdefault((hop.node, one), []).append(
                    Branch("hop", hop=hop, label=label, text=one, node=hop.node)
                )
        else:
            for node, one in dict.fromkeys((edge.source_node, edge.source) for edge in hop.edges):
                index.setdefault((node, one), []).append(
                    Branch("hop", hop=hop, label=hop.label, text=one, node=node)
                )
            if hop.label == "unknown" and not hop.edges:
                index.setdefault(found.root.name, []).append(
                    Branch("hop", hop=hop, label="unknown", text="", node=hop.node)
                )
    return index


def _under(found: Trace, branch: Branch) -> list[Branch]:
    """The records at the other end of a hop of one record, and how many more there are."""
    hop = branch.hop
    if hop is None:
        return []
    up = found.direction == "upstream"
    own = [
        edge for edge in hop.edges
        if (edge.target in (branch.text, None) if up else (edge.source_node, edge.source) == (branch.node, branch.text))
    ]  # fmt: skip
    lines: dict[tuple[Name, Role], Branch] = {}
    for edge in sorted(own, key=_order):
        name = (edge.source_node, edge.source) if up else (hop.node, edge.target or "")
        record = found.records.get(name)
        text = (
            "decided about every record" if edge.target is None else "decided" if up else "was decided by it"
        )
        text = text if edge.role == "filter" else ""
        changed = up and edge.used is not None and record is not None and record.hash != edge.used
        if record is not None:
            lines.setdefault(
                (name, edge.role),
                Branch(
                    "record", record, label=edge_label(hop, edge), role=edge.role, text=text, changed=changed
                ),
            )
        elif edge.target is None:
            lines.setdefault(
                (name, edge.role),
                Branch("stop", role=edge.role, text=f"decided about every record of {hop.node}"),
            )
    more = [
        Branch("more", role=role, count=count, node=node if up else hop.node)
        for (record_id, node, role), count in sorted(hop.left_out.items(), key=lambda item: str(item[0]))
        if record_id in ((branch.text, None) if up else (branch.text,))
    ]
    stop = (
        [Branch("stop", text="of no record of an input")]
        if up and not own and branch.label != "unknown"
        else []
    )
    return [*lines.values(), *more, *stop]


def _order(edge: Edge) -> tuple[bool, str, str, str]:
    return edge.role == "filter", edge.source_node, edge.source, edge.target or ""
