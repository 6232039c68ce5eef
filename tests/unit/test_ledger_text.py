"""The texts that are hashed: as the golden vectors have them, and never the same text for two different things."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.ledger.tables import EVENT, TABLES
from batch_audit.ledger.text import (
    field,
    payload_commitment,
    record_id,
    record_text,
    row_text,
    sha256_hex,
    values_json,
)
from tests.support.golden import golden

GOLDEN = golden("texts")
# Characters that separate, escape, or look as if they did.
TRICKY = st.text(st.sampled_from("~|=N012v a\n\u00e9\U0001f642"), max_size=6)
VALUE = st.none() | TRICKY | st.text(max_size=4)


@pytest.mark.parametrize("vector", GOLDEN["fields"], ids=lambda vector: repr(vector["value"]))
def test_field_is_written_as_specified(vector: dict[str, Any]) -> None:
    assert field(vector["value"]) == vector["field"]


@pytest.mark.parametrize("vector", GOLDEN["rows"], ids=lambda vector: vector["table"])
def test_row_text_is_written_and_hashed_as_specified(vector: dict[str, Any]) -> None:
    text = row_text(vector["table"], vector["values"])

    assert text == vector["text"]
    assert sha256_hex(text) == vector["sha256"]


@pytest.mark.parametrize("vector", GOLDEN["rows"], ids=lambda vector: vector["table"])
def test_row_vectors_have_the_hashed_columns_of_their_table(vector: dict[str, Any]) -> None:
    (table,) = [table for table in TABLES if table.name == vector["table"]]

    assert len(vector["values"]) == len(table.hashed)
    assert all(
        isinstance(value, int) == (table.type_of(column) == "bigint")
        for column, value in zip(table.hashed, vector["values"], strict=True)
    )


@pytest.mark.parametrize("vector", GOLDEN["records"], ids=lambda vector: vector["text"])
def test_record_text_is_written_and_hashed_as_specified(vector: dict[str, Any]) -> None:
    text = record_text(vector["unique_id"], vector["values"])

    assert text == vector["text"]
    assert sha256_hex(text) == vector["sha256"]


@pytest.mark.parametrize("vector", GOLDEN["record_ids"], ids=lambda vector: repr(vector["key"]))
def test_record_id_is_written_as_specified(vector: dict[str, Any]) -> None:
    assert record_id(vector["key"]) == vector["record_id"]


@pytest.mark.parametrize("vector", GOLDEN["commitments"], ids=lambda vector: vector["text"])
def test_payload_commitment_is_the_hash_of_the_payloads_fields(vector: dict[str, Any]) -> None:
    assert row_text("audit_payload", vector["payload"]) == vector["text"]
    assert payload_commitment(*vector["payload"]) == vector["sha256"]


@pytest.mark.parametrize("vector", GOLDEN["values"], ids=lambda vector: vector["json"])
def test_values_are_stored_as_compact_json_with_sorted_keys(vector: dict[str, Any]) -> None:
    assert values_json(vector["values"]) == vector["json"]


def test_only_an_events_id_is_left_out_of_its_row_text() -> None:
    left_out = {table.name: set(table.columns) - set(table.hashed) for table in TABLES}

    assert left_out.pop(EVENT.name) == {"event_id"}
    assert not any(left_out.values())


def unescaped(text: str) -> str | None:
    """The value of a field: shows that nothing is lost."""
    if text == "~N":
        return None
    return text.replace("~1", "|").replace("~0", "~")


@given(VALUE)
def test_field_can_be_read_back(value: str | None) -> None:
    assert unescaped(field(value)) == value


@given(VALUE)
def test_field_holds_no_separator(value: str | None) -> None:
    assert "|" not in field(value)


@given(st.lists(VALUE), st.lists(VALUE))
def test_different_rows_have_different_texts(one: list[str | None], other: list[str | None]) -> None:
    assert (row_text("t", one) == row_text("t", other)) == (one == other)


@given(st.lists(VALUE, min_size=1), st.lists(VALUE, min_size=1))
def test_different_keys_have_different_record_ids(one: list[str | None], other: list[str | None]) -> None:
    assert (record_id(one) == record_id(other)) == (one == other)


RECORD = st.tuples(TRICKY, st.dictionaries(TRICKY, VALUE, max_size=4))


@given(RECORD, RECORD)
def test_records_with_equal_texts_are_equal_but_for_null(
    one: tuple[str, dict[str, str | None]], other: tuple[str, dict[str, str | None]]
) -> None:
    def known(record: tuple[str, dict[str, str | None]]) -> tuple[str, dict[str, str | None]]:
        return record[0], {name: text for name, text in record[1].items() if text is not None}

    assert (record_text(*one) == record_text(*other)) == (known(one) == known(other))


@given(st.dictionaries(TRICKY, VALUE, max_size=6))
def test_an_added_empty_column_changes_no_record_text(values: dict[str, str | None]) -> None:
    assert record_text("m", {**values, "added later": None}) == record_text("m", values)
