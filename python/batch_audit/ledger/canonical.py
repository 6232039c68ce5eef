"""Canonical text of Python values: the oracle for the warehouses' own conversions (docs/reference/store.md)."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Interval:
    """A span as the engines keep it: months and days are not a fixed number of microseconds."""

    months: int
    days: int
    microseconds: int


@dataclass(frozen=True)
class Float32:
    """A number of single precision: fewer digits read back equal than in Python's own float."""

    value: float


def canonical_text(value: object) -> str | None:
    """The value's canonical text, None for None.

    Raises TypeError for a type whose canonical text is the engine's own, which Python cannot know.
    """
    if value is None:
        return None
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"{type(value).__name__} has no canonical text of its own: use the engine's text")


def _number_words(value: float | Decimal) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "0" if value == 0 else None


def _decimal(value: Decimal) -> str:
    digits = f"{value:f}"
    return _number_words(value) or (digits.rstrip("0").rstrip(".") if "." in digits else digits)


def _float(value: float) -> str:
    return _number_words(value) or repr(value).removesuffix(".0")


def _float32(value: Float32) -> str:
    return _number_words(value.value) or _float(float(_shortest_float32(value.value)))


def _shortest_float32(value: float) -> str:
    """The fewest digits that read back as the same single-precision number (9 always do)."""
    (exact,) = struct.unpack("f", struct.pack("f", value))
    for digits in range(1, 9):
        text = f"{exact:.{digits - 1}e}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == exact:
            return text
    return f"{exact:.8e}"


def _timestamp(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _time(value: time) -> str:
    if value.tzinfo is not None:
        raise TypeError("a time with a zone has no canonical text of its own: use the engine's text")
    return value.isoformat(timespec="microseconds")


def _array(value: list[object] | tuple[object, ...]) -> str:
    return json.dumps(
        [canonical_text(element) for element in value], ensure_ascii=False, separators=(",", ":")
    )


# bool is an int and datetime is a date: the narrower type comes first.
_WRITERS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    (float, _float),
    (Float32, _float32),
    (Decimal, _decimal),
    (datetime, _timestamp),
    (date, date.isoformat),
    (time, _time),
    (Interval, lambda value: f"P{value.months}M{value.days}DT{value.microseconds}us"),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).hex()),
    (UUID, str),
    ((list, tuple), _array),
)
