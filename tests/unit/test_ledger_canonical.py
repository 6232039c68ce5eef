"""Canonical text of Python values: the oracle of the warehouses' conversions."""

import struct
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.ledger.canonical import Float32, canonical_text
from tests.support.golden import golden, python_value

VECTORS = [vector for vector in golden("values") if "python" in vector]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_value_is_written_as_specified(vector: dict[str, Any]) -> None:
    assert canonical_text(python_value(vector["python"])) == vector["text"]


@given(st.floats(allow_nan=False))
def test_a_float_can_be_read_back(value: float) -> None:
    text = canonical_text(value)

    assert text is not None
    assert float(text) == value
    assert not text.endswith(".0")


@given(st.floats(min_value=1e-4, max_value=1e16, exclude_max=True))
def test_a_float_between_1e_4_and_1e16_has_no_exponent(value: float) -> None:
    assert "e" not in (canonical_text(value) or "")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_single_precision_number_is_the_shortest_that_reads_back(value: float) -> None:
    text = canonical_text(Float32(value)) or ""

    assert struct.pack("f", float(text)) == struct.pack("f", value + 0.0)
    assert len(text) <= len(canonical_text(value) or "")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=10))
def test_a_decimal_keeps_its_value_and_no_trailing_zero(value: Decimal) -> None:
    text = canonical_text(value) or ""

    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert "." not in text or text[-1] not in "0."


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.integers(0, 6))
def test_equal_decimals_of_any_scale_have_one_text(value: Decimal, more: int) -> None:
    assert canonical_text(value) == canonical_text(Decimal(f"{value:f}" + "0" * more))


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))
def test_one_moment_in_any_zone_has_one_text(moment: datetime, minutes: int) -> None:
    utc = moment.replace(tzinfo=UTC)

    assert canonical_text(utc) == canonical_text(utc.astimezone(timezone(timedelta(minutes=minutes))))


def test_a_moment_and_a_local_time_differ() -> None:
    local = datetime(2013, 1, 31, 5)

    assert canonical_text(local) != canonical_text(local.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "value", [{"a": 1}, time(5, tzinfo=UTC), object()], ids=["dict", "zoned time", "object"]
)
def test_a_type_of_the_engines_own_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="use the engine's text"):
        canonical_text(value)
