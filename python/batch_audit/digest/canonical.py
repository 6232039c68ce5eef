"""Canonical JSON (RFC 8785), and a reader that takes nothing else and nothing large."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from batch_audit.errors import UnreadableError

LARGEST = 1 << 20
"""The most bytes that a digest may have. Real ones have a few thousand."""


def canonical(value: Any) -> bytes:
    """`value` as canonical JSON. Raises ValueError for what it cannot hold, such as integers beyond 2^53."""
    import rfc8785

    return rfc8785.dumps(value)


def read_canonical(data: bytes, largest: int = LARGEST) -> Any:
    """The value whose canonical JSON `data` is, to the byte.

    Raises UnreadableError for anything else: whoever changes one bit of such a text changes its value or breaks it.
    """
    if len(data) > largest:
        raise UnreadableError(f"it has {len(data):,} bytes, at most {largest:,} are read")
    try:
        value = json.loads(data.decode("utf-8"))
        same = canonical(value) == data
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise UnreadableError(f"it is not JSON that can be read ({_first_line(error)})") from error
    if not same:
        raise UnreadableError("it is not canonical JSON (RFC 8785): it was changed after it was written")
    return value


def members(value: Any, what: str, **types: type | tuple[type, ...]) -> Mapping[str, Any]:
    """`value` if it is an object with exactly these members, each of its type; None stands for null.

    Raises UnreadableError that names what is missing, too many or of another type.
    """
    if not isinstance(value, dict):
        raise UnreadableError(f"{what} is not a JSON object")
    if value.keys() != types.keys():
        wrong = sorted(map(str, value.keys() ^ types.keys()))
        raise UnreadableError(
            f"{what} has not the members that it should have: see {shown(', '.join(wrong))}"
        )
    for name, expected in types.items():
        kinds = expected if isinstance(expected, tuple) else (expected,)
        # In Python true is an int, in a digest it is not.
        if type(value[name]) not in kinds:
            raise UnreadableError(f"{what} has a wrong {name}: {shown(repr(value[name]))}")
    return value


def shown(text: str) -> str:
    """Text of somebody else as it may be shown: on one line, not long, nothing that a terminal would obey."""
    plain = text if text.isprintable() else ascii(text)
    return plain if len(plain) <= 120 else plain[:117] + "…"


def _first_line(error: BaseException) -> str:
    return shown(str(error).splitlines()[0] if str(error) else type(error).__name__)
