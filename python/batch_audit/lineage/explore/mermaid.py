"""A slice as a Mermaid flowchart: a box for each dataset, solid arrows for values, dotted ones for influences."""

from __future__ import annotations

from batch_audit.lineage.explore.machine import ordered
from batch_audit.lineage.explore.slices import Slice
from batch_audit.reports.text import shortened, visible

_EVERY = "every column"
_LONGEST = 120
# Everything that Mermaid, Markdown or HTML might read as more than a letter.
_PLAIN = frozenset(" _.,:/'()|?!")


def as_mermaid(found: Slice) -> str:
    """The flowchart (Mermaid 10 and newer). Names are written as character codes wherever they could mean more."""
    boxes: dict[str, dict[str, str]] = {name: {} for name in found.nodes()}
    arrows: dict[tuple[str, str, str, bool], None] = {}
    names = list(boxes)

    def place(node: str, column: str | None) -> str:
        number = boxes[node].setdefault("" if column is None else column, str(len(boxes[node])))
        return f"n{names.index(node)}c{number}"

    if found.node is not None and found.column is not None:
        place(found.node, found.column)
    for _, step in ordered(found):
        edge = step.edge
        label = edge.subtype.lower().replace("_", " ") + (", masked" if edge.masking else "")
        ends = place(edge.source, edge.source_column), place(edge.target, edge.target_column)
        arrows[(*ends, label, edge.kind == "DIRECT")] = None
    lines = ["flowchart LR"]
    for number, (name, columns) in enumerate(boxes.items()):
        lines.append(f'  subgraph n{number}["{escaped(_title(found, name))}"]')
        lines += [f'    n{number}c{at}["{escaped(column or _EVERY)}"]' for column, at in columns.items()]
        gaps = [gap for gap in found.gaps if gap.unique_id == name]
        for at, gap in enumerate(gaps):
            text = f"? {gap.column or _EVERY}: {gap.reason}"
            lines.append(f'    n{number}u{at}["{escaped(text)}"]:::unknown')
        if not columns and not gaps:
            lines.append(f'    n{number}c0[" "]')
        lines.append("  end")
    for source, target, label, direct in arrows:
        lines.append(f'  {source} {"-->" if direct else "-.->"}|"{escaped(label)}"| {target}')
    lines.append("  classDef unknown stroke-dasharray: 4 4")
    return "\n".join(lines) + "\n"


def _title(found: Slice, name: str) -> str:
    return f"{found.known.label(name)} ({found.known.datasets[name].kind})"


def escaped(text: str) -> str:
    """Text for a quoted label: letters and digits as they are, what has a meaning as a character code."""
    plain = shortened(" ".join(visible(text).split()), _LONGEST)
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in plain) or " "
