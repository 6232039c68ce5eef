"""The golden vectors: what every implementation of the store's format must give, to the byte."""

import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from batch_audit.ledger.canonical import Float32, Interval

_FOLDER = Path(__file__).resolve().parents[1] / "golden"
_READERS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "decimal": Decimal,
    "float": float,
    "float32": lambda text: Float32(float(text)),
    "bool": bool,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "time": time.fromisoformat,
    "interval": lambda parts: Interval(*parts),
    "text": str,
    "uuid": UUID,
    "bytes": bytes.fromhex,
    "array": lambda elements: [python_value(element) for element in elements],
    "null": lambda _: None,
}


def golden(name: str) -> Any:
    """The content of `tests/golden/<name>.json`."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def python_value(description: dict[str, Any]) -> Any:
    """A Python value from its description in values.json, such as `{"decimal": "12.50"}`."""
    ((kind, value),) = description.items()
    return _READERS[kind](value)
