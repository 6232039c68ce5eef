"""How a report writes numbers, times and values. Pure, so that the same report gives the same bytes."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
# C0 and C1 controls but tab and newline, and what reorders or hides text (Unicode TR 36, section 2.6).
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """`text` with characters that nobody sees, or that reorder their neighbours, written as ⟨U+202E⟩."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def shortened(text: str, limit: int = 400) -> str:
    """At most `limit` characters of `text`, with the number of those left out."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def count(number: int | Decimal | None) -> str:
    """A whole number with thousands separated; a dash for unknown."""
    return "–" if number is None else f"{int(number):,}"


def counted(number: int | Decimal, noun: str, plural: str | None = None) -> str:
    """`1 record`, `2 records`, `1,000 records`."""
    return f"{int(number):,} {noun if number == 1 else plural or noun + 's'}"


def day(moment: datetime) -> str:
    """`24 Nov 2026`."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def clock(moment: datetime) -> str:
    """`04:33:41`."""
    return f"{moment:%H:%M:%S}"


def utc(moment: datetime | None) -> str:
    """`24 Nov 2026, 04:33:41 UTC`; the argument is naive UTC; a dash for unknown."""
    return "–" if moment is None else f"{day(moment)}, {clock(moment)} UTC"


def iso(moment: datetime) -> str:
    """ISO 8601 with microseconds and Z, for machines; the argument is naive UTC."""
    return moment.isoformat(timespec="microseconds") + "Z"


def duration(seconds: Decimal | float | None) -> str:
    """`0.33 s`, `12 s`, `3 min 20 s`, `2 h 5 min`; a dash for unknown."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def record_key(record_id: str) -> list[str | None]:
    """The values of a record's key, from its record id (docs/reference/store.md, "Record id")."""
    fields = record_id.split("|")
    return [None if field == "~N" else field.replace("~1", "|").replace("~0", "~") for field in fields]
