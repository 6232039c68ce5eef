"""Rows that Python writes into the store."""

import json

import pytest

from batch_audit.ledger.rows import Segment, event_row, row_hash
from batch_audit.ledger.tables import COLUMN_EDGE, EVENT, SEGMENT
from batch_audit.ledger.text import row_text, sha256_hex

OPENED = Segment("seg", "batch", "2026-01", "invocation", "runner", 5)


def test_a_segments_row_is_the_first_and_only_one_of_its_part() -> None:
    assert OPENED.row() == ("seg", "segment", 1, "batch", "2026-01", "invocation", "runner", 5)
    assert len(OPENED.row()) == len(SEGMENT.columns)


def test_opened_segments_have_names_of_their_own() -> None:
    first, second = (
        Segment.open("seal", batch_id="b", batch_month="2026-01", invocation_id=None, now_us=1)
        for _ in range(2)
    )

    assert first.segment != second.segment
    assert (first.writer, first.opened_at, first.invocation_id) == ("seal", 1, None)


def test_an_events_id_is_the_hash_of_its_other_columns() -> None:
    row = event_row(OPENED, "end", 2, "batch_end", occurred_at=7, metadata={"b": 1, "a": None}, actor="é|~")
    event = dict(zip(EVENT.columns, row, strict=True))

    others = tuple(event[column] for column in EVENT.columns if column != "event_id")
    assert event["event_id"] == sha256_hex(row_text("audit_event", others)) == row_hash(EVENT, row)
    assert event["metadata"] == '{"a":null,"b":1}'
    assert (event["segment"], event["batch_id"], event["invocation_id"]) == ("seg", "batch", "invocation")
    assert (event["target"], event["payload_commitment"]) == (None, None)


def test_metadata_keeps_text_as_it_is() -> None:
    row = event_row(OPENED, "end", 1, "batch_end", occurred_at=7, metadata={"reason": 'Zoë said "no"\n🙂'})
    metadata = row[EVENT.columns.index("metadata")]

    assert isinstance(metadata, str)
    assert json.loads(metadata) == {"reason": 'Zoë said "no"\n🙂'}
    assert "Zoë" in metadata


def test_an_invocation_other_than_the_segments_can_be_given() -> None:
    row = event_row(OPENED, "end", 1, "batch_end", occurred_at=7, invocation_id="other")

    assert row[EVENT.columns.index("invocation_id")] == "other"


def test_a_column_that_events_do_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="no column colour, event_id"):
        event_row(OPENED, "end", 1, "batch_end", occurred_at=7, colour="red", event_id="x")


def test_a_leaf_covers_every_column_of_an_edge() -> None:
    row = tuple("x" for _ in COLUMN_EDGE.columns)

    changed = {row_hash(COLUMN_EDGE, (*row[:place], "y", *row[place + 1 :])) for place in range(len(row))}
    assert len(changed | {row_hash(COLUMN_EDGE, row)}) == len(row) + 1
