"""A YAML file as a tree that knows where each node stands in the text, so that an edit leaves all else alone.

A dump of a parsed document re-wraps long lines, re-indents sequences and moves comments; somebody else's
project file is no place for that. The tree is only for finding places; values are compared with `load`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from batch_audit.errors import ConfigurationError

BLOCK_SCALARS = ("|", ">")
NULL_TEXTS = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Node:
    """One YAML node between the offsets `start` and `end`, without trailing comments and blank lines."""

    kind: Literal["scalar", "mapping", "sequence", "alias"]
    start: int
    end: int
    value: str = ""
    style: str | None = None
    flow: bool = False
    anchor: str | None = None
    children: tuple[Node, ...] = ()

    @property
    def is_null(self) -> bool:
        """Whether YAML reads the node as null: a plain scalar without a value, `~` or `null`."""
        return self.kind == "scalar" and self.style is None and self.value in NULL_TEXTS

    def entries(self) -> list[tuple[Node, Node]]:
        """Key and value nodes of a mapping in the order of the text; empty for every other kind."""
        if self.kind != "mapping":
            return []
        return list(zip(self.children[::2], self.children[1::2], strict=True))

    def entry(self, key: str) -> tuple[Node, Node] | None:
        """Key and value node of `key`; of duplicate keys the last, which is the one that dbt obeys."""
        return next((pair for pair in reversed(self.entries()) if pair[0].value == key), None)


def parse(text: str, source: str) -> Node | None:
    """The root node of a document, or None for one without content.

    `source` names the file in messages. Raises ConfigurationError, with line and column, for text that is not
    one YAML document.
    """
    events = _events(text, source)
    return _node(next(events), events, text)


def load(text: str, source: str) -> Any:
    """The plain values of a document (dicts, lists, scalars), None without content; raises like `parse`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    try:
        return yaml.load(io.StringIO(text))
    except YAMLError as error:
        raise unreadable(error, source) from error


def unreadable(error: Exception, source: str) -> ConfigurationError:
    """The error for text that YAML cannot read, with the place counted from 1 as editors do."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return ConfigurationError(
        f"{source}{place}: cannot be read as YAML: {problem}.\n"
        "  Nothing was changed. Correct the file and run again."
    )


def _events(text: str, source: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        events = list(YAML(typ="safe", pure=True).parse(io.StringIO(text)))
    except YAMLError as error:
        raise unreadable(error, source) from error
    names = [type(event).__name__ for event in events]
    if names.count("DocumentStartEvent") > 1:
        second = [event for event in events if type(event).__name__ == "DocumentStartEvent"][1]
        raise ConfigurationError(
            f"{source}, line {second.start_mark.line + 1}: a second YAML document begins; dbt reads one.\n"
            "  Nothing was changed. Remove the `---` line and run again."
        )
    content = [event for event in events if type(event).__name__ not in _FRAME]
    return iter(content or [None])


_FRAME = ("StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent", "CommentEvent")


def _node(event: Any, events: Iterator[Any], text: str) -> Node | None:
    """The node that begins with `event` and takes its children from `events`; None at a collection's end."""
    name = type(event).__name__
    if event is None or name.endswith("EndEvent"):
        return None
    start, end = event.start_mark.index, event.end_mark.index
    if name == "AliasEvent":
        return Node("alias", start, end, value=event.anchor)
    if name == "ScalarEvent":
        style = None if event.style in (None, "") else str(event.style)
        return Node(
            "scalar", start, _scalar_end(text, start, end, style), event.value, style, anchor=event.anchor
        )
    children = []
    while (child := _node(last := next(events), events, text)) is not None:
        children.append(child)
    kind: Literal["mapping", "sequence"] = "mapping" if name == "MappingStartEvent" else "sequence"
    stop = last.end_mark.index if event.flow_style else max([end, *(child.end for child in children)])
    return Node(kind, start, stop, flow=bool(event.flow_style), anchor=event.anchor, children=tuple(children))


def _scalar_end(text: str, start: int, end: int, style: str | None) -> int:
    """Where a scalar's text ends: a block scalar's mark lies behind blank lines, part of it only with `+`."""
    if style not in BLOCK_SCALARS:
        return end
    header = text[start:end].split("\n", 1)[0]
    return end if "+" in header.split("#")[0] else start + len(text[start:end].rstrip())
