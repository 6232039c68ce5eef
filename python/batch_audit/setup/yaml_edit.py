"""Insert an entry or a list item into a YAML text; every edit is a pure function from text to text.

Only the lines that the new text needs are touched: comments, quotes, indentation and line ends stay.
"""

from __future__ import annotations

from batch_audit.setup.yaml_tree import Node

INDENT = 2


def newline_of(text: str) -> str:
    """The line end that a text uses."""
    return "\r\n" if "\r\n" in text else "\n"


def append_at_end(text: str, lines: str) -> str:
    """Top-level `lines` after everything else, one blank line apart, but before a document end marker."""
    newline = newline_of(text)
    body, marker = _before_document_end(text)
    if body and not body.endswith(("\n", "\r")):
        body += newline
    gap = newline if body.strip() and not body.endswith(newline * 2) else ""
    return body + gap + lines.replace("\n", newline) + marker


def insert_first_entry(text: str, key: Node, mapping: Node, entry: str) -> str:
    """`entry` ("name: value") as the first entry of the mapping (or null) that is the value of `key`."""
    if mapping.is_null:
        return insert_first_line(text, key, mapping, entry)
    if mapping.flow:
        inside = text.index("{", mapping.start) + 1
        return text[:inside] + entry + (", " if mapping.children else "") + text[inside:]
    # Directly below the key: a comment above the first entry belongs to that entry.
    return _insert_line(text, key.end, " " * column_of(text, mapping.children[0].start) + entry)


def insert_first_line(text: str, key: Node, value: Node, line: str) -> str:
    """`line` below a key without a value (or with an explicit null, which goes), one level deeper."""
    return _insert_line(
        set_null(text, key, value, ""), key.end, " " * (column_of(text, key.start) + INDENT) + line
    )


def append_entry(text: str, mapping: Node, entry: str) -> str:
    """`entry` as the last one of a mapping in flow style."""
    inside = mapping.children[-1].end if mapping.children else text.index("{", mapping.start) + 1
    return text[:inside] + (", " if mapping.children else "") + entry + text[inside:]


def append_item(text: str, sequence: Node, item: str) -> str:
    """`item` as the last one of a sequence, in the sequence's own style and indentation."""
    if sequence.flow:
        inside = sequence.children[-1].end if sequence.children else text.index("[", sequence.start) + 1
        return text[:inside] + (", " if sequence.children else "") + item + text[inside:]
    first = sequence.children[0]
    dash = text.rindex("-", 0, first.start)
    return _insert_line(text, sequence.children[-1].end, " " * column_of(text, dash) + "- " + item)


def set_null(text: str, key: Node, value: Node, new: str) -> str:
    """`new` as the value of a key that had none or an explicit null; an empty `new` takes the null away."""
    start = after_colon(text, key)
    stop = value.end if value.value else start
    return text[:start] + (" " + new if new else "") + text[stop:]


def wrap_in_list(text: str, key: Node, value: Node, item: str, *, flow: bool) -> str:
    """A single value becomes a list of itself and `item`; `flow` says that the key stands inside `{…}`."""
    if flow:
        return f"{text[: value.start]}[{text[value.start : value.end]}, {item}]{text[value.end :]}"
    same_line = "\n" not in text[key.end : value.start]
    dash = column_of(text, key.start) + INDENT if same_line else column_of(text, value.start)
    first, *others = text[value.start : value.end].split("\n")
    moved = "\n".join([first, *(" " * INDENT + line if line.strip() else line for line in others)])
    before = (
        text[: after_colon(text, key)] + newline_of(text) + " " * dash if same_line else text[: value.start]
    )
    whole = f"{before}- {moved}"
    return _insert_line(whole + text[value.end :], len(whole), " " * dash + "- " + item)


def after_colon(text: str, key: Node) -> int:
    """The offset behind the colon that follows a key."""
    return text.index(":", key.end) + 1


def column_of(text: str, offset: int) -> int:
    """Columns between the line's start and `offset`; a byte order mark takes none."""
    return len(text[_line_start(text, offset) : offset].lstrip("\ufeff"))


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    """The offset of the line end at or behind `offset`, of the text's end in a last line without one."""
    found = text.find("\n", offset)
    if found < 0:
        return len(text)
    return found - 1 if text[found - 1 : found] == "\r" and found > offset else found


def _insert_line(text: str, offset: int, line: str) -> str:
    """`line` as a line of its own below the one of `offset`, or right there when that is a line's start."""
    if offset and text[offset - 1] == "\n":
        return text[:offset] + line + newline_of(text) + text[offset:]
    end = _line_end(text, offset)
    return text[:end] + newline_of(text) + line + text[end:]


def _before_document_end(text: str) -> tuple[str, str]:
    """Splits off a `...` line and what follows it: content behind it would be a document of its own."""
    offset = 0
    for line in text.splitlines(keepends=True):
        if line.rstrip() == "...":
            return text[:offset], text[offset:]
        offset += len(line)
    return text, ""
