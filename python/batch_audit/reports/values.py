"""How one stored value, or a pair of before and after, is shown: clipped, and with what nobody sees made visible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

VALUE_SHOWN = 400
_CONTEXT = 60
_MARKED_FROM = 40
# Spaces that a reader cannot count (at the edge of a line, or several), line breaks, tabs, and what looks like a space.
_SPACES = re.compile("^ +| +$|(?<=\n) +| +(?=\n)| {2,}|\n|\t|[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


class Missing(Enum):
    """Why there is no value: the record had no such column then, or its values were erased from the store."""

    ABSENT = "absent"
    ERASED = "erased"


Stored = str | None | Missing
Kind = Literal["text", "null", "empty", "absent", "erased"]


@dataclass(frozen=True)
class Shown:
    """A value as it is shown. `parts` are (text, whether it differs from the other of a pair).

    `before` and `after` characters of the value are left out around them; `full` is all of it where there is room.
    """

    kind: Kind
    parts: Sequence[tuple[str, bool]] = ()
    before: int = 0
    after: int = 0
    full: str | None = None


def shown(value: Stored, limit: int = VALUE_SHOWN, start: int = 0, full: bool = False) -> Shown:
    """A value by itself, at most `limit` characters of it from `start` on; `full` keeps what is longer, too."""
    if isinstance(value, Missing):
        return Shown("erased" if value is Missing.ERASED else "absent")
    if not value:
        return Shown("null" if value is None else "empty")
    text = value[start : start + limit]
    left = len(value) - start - len(text)
    return Shown("text", ((text, False),), start, left, value if full and (start or left) else None)


def shown_pair(
    before: Stored, after: Stored, limit: int = VALUE_SHOWN, full: bool = False
) -> tuple[Shown, Shown]:
    """A value before and after. Of long ones the stretch around their first difference, with what differs marked."""
    if not (isinstance(before, str) and isinstance(after, str)):
        return shown(before, limit, full=full), shown(after, limit, full=full)
    same = _common(before, after)
    start = max(0, same - _CONTEXT) if max(len(before), len(after)) > limit else 0
    old, new = shown(before, limit, start, full), shown(after, limit, start, full)
    tail = _common(before[same:][::-1], after[same:][::-1])
    shorter = min(len(before), len(after))
    if shorter <= _MARKED_FROM or 2 * (same + tail) < shorter:
        return old, new
    return _marked(old, same - start, len(before) - tail - start), _marked(
        new, same - start, len(after) - tail - start
    )


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(place for place in range(shorter) if one[place] != other[place])


def _marked(value: Shown, begin: int, end: int) -> Shown:
    text = "".join(part for part, _ in value.parts)
    parts = ((text[:begin], False), (text[begin:end], True), (text[end:], False))
    return Shown(value.kind, tuple(part for part in parts if part[0]), value.before, value.after, value.full)


def pieces(text: str) -> list[tuple[str, str]]:
    """`text` cut into (text, name of the mark), the name being empty for what is not a mark.

    Marks are · for a space, ↵ before a line break, ⇥ before a tab, and ⟨U+00A0⟩ for another space.
    """
    found: list[tuple[str, str]] = []
    end = 0
    for space in _SPACES.finditer(text):
        if space.start() > end:
            found.append((text[end : space.start()], ""))
        found += _mark(space.group())
        end = space.end()
    return [*found, (text[end:], "")] if end < len(text) else found


def _mark(space: str) -> list[tuple[str, str]]:
    if space == "\n":
        return [("↵", "line break"), ("\n", "")]
    if space == "\t":
        return [("⇥", "tab"), ("\t", "")]
    if space[0] == " ":
        return [("·" * len(space), "space" if len(space) == 1 else f"{len(space)} spaces")]
    return [(f"⟨U+{ord(space):04X}⟩", "another space")]
