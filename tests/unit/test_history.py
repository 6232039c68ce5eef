"""The pure parts of history: names and times, whether captures follow each other, versions, samples."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import Capture, Trail, Uncaptured
from batch_audit.history.moments import (
    at_time,
    break_between,
    folded,
    parse_time,
    spellings,
    unbroken,
)
from batch_audit.history.names import parse_key, parse_relation
from batch_audit.history.net_change import compared_columns, sample
from batch_audit.history.versions import Run, arrange
from batch_audit.ledger.text import record_id
from batch_audit.warehouses.base import Column

ID, NOTE = Column("id", "integer"), Column("note", "text")


def capture(seconds: int, **fields: object) -> Capture:
    """A capture of 5 rows, made so many seconds after the epoch, and numbered so."""
    made = Capture(
        seconds, "changes", f"batch-{seconds}", "2026-11", f"s-{seconds}", "model.shop.m", seconds * 1_000_000,
        '"shop"."m"', ("id",), (), (ID, NOTE), 5, 5,
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def trail(*captures: Capture, uncaptured: tuple[Uncaptured, ...] = ()) -> Trail:
    return Trail("model.shop.m", captures, uncaptured)


@given(st.lists(st.text(), min_size=2, max_size=4))
def test_a_key_of_several_columns_is_read_as_it_is_written(values: list[str]) -> None:
    columns = [f"c{place}" for place in range(len(values))]
    written = record_id(values)
    assert parse_key(columns, written, []) == written
    named = [f"{column}={value}" for column, value in zip(columns, values, strict=True)]
    assert parse_key(columns, None, list(reversed(named))) == written


def test_the_only_key_column_takes_the_value_as_it_is() -> None:
    assert parse_key(["id"], "a|b~", []) == "a~1b~0"
    assert parse_key(["id"], None, ["id=x=1"]) == "x=1"


@pytest.mark.parametrize(
    ("key", "named"),
    [(None, []), ("1|2", ["a=1"]), ("1", []), ("1|2|3", []), ("1|~2", []), (None, ["a=1"]), (None, ["a=1", "a=2"]),
     (None, ["a=1", "c=2"]), (None, ["a=1", "b"])],
)  # fmt: skip
def test_what_does_not_fit_the_key_is_refused_with_the_key(key: str | None, named: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="a, b"):
        parse_key(["a", "b"], key, named)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("t", ("main", "t")), ("s.t", ("s", "t")), ('"d"."s"."t"', ("s", "t")), ('"a.b"."q""q"', ("a.b", 'q"q')),
     ("d.s.My Table", ("s", "My Table"))],
)  # fmt: skip
def test_a_relation_is_read_as_it_is_written(text: str, expected: tuple[str, str]) -> None:
    assert parse_relation(text, default="main", database="d") == expected


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a.b.c.d", '"a', "other.s.t"])
def test_what_names_no_relation_here_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_relation(text, default="main", database="d")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
     ("2026-11-24T05:00:00Z", datetime(2026, 11, 24, 5, tzinfo=UTC)),
     ("2026-11-24T05:00:00.000001+02:00", datetime(2026, 11, 24, 3, 0, 0, 1, tzinfo=UTC))],
)  # fmt: skip
def test_a_time_is_utc_unless_it_says_otherwise(text: str, expected: datetime) -> None:
    assert parse_time(text) == round(expected.timestamp() * 1_000_000)
    assert parse_time("soon") is None


def test_a_time_means_the_last_capture_until_then() -> None:
    captures = trail(capture(1), capture(2), capture(3))
    assert at_time(captures, 2_000_000, "x").number == 2
    assert at_time(captures, 99_000_000, "x").number == 3
    with pytest.raises(ConfigurationError, match="starts with capture 1"):
        at_time(captures, 999_999, "x")
    with pytest.raises(ConfigurationError, match="none of its builds was captured"):
        at_time(trail(), 1, "x")


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ((capture(2), capture(3)), None),
        ((capture(3),), "capture 2 is missing"),
        ((capture(5),), "captures 2 to 4 are missing"),
        ((capture(2), capture(2, batch_id="other")), "two captures have the number 2"),
        ((capture(2, mode="first_build"),), "first build"),
        ((capture(2, mode="baseline"),), "first build"),
        ((capture(2, key=("id", "note")),), "has the key id, note instead of id"),
        ((capture(2, not_stored=7),), "all but 7 of its changes"),
        ((capture(2, found_edited=True),), "somebody had changed the relation"),
        ((capture(2, rows_before=4),), "4 rows where the capture before it had left 5"),
    ],
)
def test_captures_that_do_not_follow_each_other_are_a_break(
    later: tuple[Capture, ...], said: str | None
) -> None:
    found = break_between(trail(capture(1), *later), capture(1), later[-1])
    assert (found is None) if said is None else (found is not None and said in found)


def test_a_build_that_was_not_captured_is_a_break_where_it_lies_in_between() -> None:
    missed = trail(capture(1), capture(3, number=2), uncaptured=(Uncaptured("dark", 2_000_000, "no key"),))
    one, two = missed.captures
    assert "batch dark" in (break_between(missed, one, two) or "") and "no key" in (
        break_between(missed, one, two) or ""
    )
    respelt = Trail("m", (capture(1), capture(2, key=("ID",))), (), "ascii")
    assert break_between(respelt, *respelt.captures) is None
    assert break_between(missed, one, one) is None and break_between(missed, two, two) is None
    assert "dark" in (break_between(missed, one, one, to_present=True) or "")


def test_names_are_compared_as_the_engine_does() -> None:
    assert (folded("ascii", "ÄB"), folded("exact", "ÄB")) == ("Äb", "ÄB")
    written = [capture(1), capture(2, columns=(ID, Column("NOTE", "text")))]
    assert spellings(written, "ascii", "note") == ["note", "NOTE"]
    assert spellings(written, "exact", "note") == ["note"]
    assert compared_columns("ascii", written[0], written[1:]) == [("id", ["id"]), ("NOTE", ["NOTE", "note"])]
    ignoring = [capture(1), capture(2, ignored=("note",))]
    assert compared_columns("exact", ignoring[0], ignoring[1:]) == [("id", ["id"])]


def event(number: int, **fields: object) -> dict[str, object]:
    made: dict[str, object] = {
        "segment": f"s-{number}", "part": "model.shop.m", "seq": 2, "event_id": f"e-{number}", "batch_month": "2026-11",
        "batch_id": f"batch-{number}", "invocation_id": f"i-{number}", "occurred_at": number, "actor": "anna",
        "change_type": "update", "changed_fields": '["note"]',
    }  # fmt: skip
    return made | fields


def test_versions_follow_the_captures_and_not_the_clock() -> None:
    events = [
        event(2, occurred_at=1),
        event(1, change_type="insert", changed_fields=None, occurred_at=9),
        event(3),
    ]
    payloads = {"e-1": (None, '{"id":"1","note":null}'), "e-2": ('{"note":null}', '{"note":"b"}')}
    captures = {(c.segment, c.part): c for c in (capture(1, mode="baseline"), capture(2), capture(3))}
    versions = arrange(events, payloads, captures, {"i-2": Run(git_commit="abc")})

    assert [(v.capture_no, v.change_type, v.run.git_commit, v.erased) for v in versions] == [
        (1, "baseline", None, False),
        (2, "update", "abc", False),
        (3, "update", None, True),
    ]
    assert [v.fields for v in versions] == [
        (("id", None, "1"),), (("note", None, "b"),), (("note", None, None),),
    ]  # fmt: skip


def test_a_sample_has_the_fields_that_differ() -> None:
    row = {
        "record_id": "1",
        "kind": "update",
        "old_value": '{"a":"1","b":"x"}',
        "new_value": '{"A":"1","b":null}',
    }
    assert sample(row, [("A", ["A", "a"]), ("b", ["b"])]) == {
        "record_id": "1",
        "change_type": "update",
        "fields": {"b": {"before": "x", "after": None}},
    }


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"mode": "first_build"}, [3, 4]),
        ({"mode": "baseline"}, [3, 4]),
        ({"not_stored": 1}, [3, 4]),
        ({"found_edited": True}, [3, 4]),
        ({"key": ("note",)}, [4]),
        ({"rows_after": 6}, [4]),
    ],
)
def test_what_was_logged_before_a_break_no_longer_holds(
    changed: dict[str, object], expected: list[int]
) -> None:
    captures = [capture(1, mode="baseline"), capture(2), capture(3, **changed), capture(4)]
    assert [one.number for one in unbroken(trail(*captures))] == expected


def test_a_build_that_was_not_captured_is_a_break() -> None:
    missed = Uncaptured("batch-x", 2_500_000, "its keys repeat")
    captures = [capture(seconds) for seconds in (1, 2, 3)]
    assert [one.number for one in unbroken(trail(*captures, uncaptured=(missed,)))] == [3]
    assert unbroken(trail()) == ()


BACKFILL = capture(40, number=0, mode="backfill", first_at=10_000_000, rows_before=0)


def test_a_time_within_what_was_backfilled_means_a_part_of_it() -> None:
    captures = trail(BACKFILL, capture(50, number=1))
    part = at_time(captures, 20_000_000, "x")
    assert (part.number, part.until, part.occurred_at) == (0, 20_000_000, 20_000_000)
    assert at_time(captures, 40_000_000, "x") == BACKFILL
    assert at_time(captures, 50_000_000, "x").number == 1
    with pytest.raises(
        ConfigurationError, match="first version in the snapshot's table begins at 1970-01-01 00:00:10"
    ):
        at_time(captures, 9_999_999, "x")


def test_times_of_versions_after_a_capture_do_not_come_before_it() -> None:
    late = replace(BACKFILL, occurred_at=90_000_000)
    captures = trail(late, capture(50, number=1))
    assert at_time(captures, 49_000_000, "x").until == 49_000_000
    assert at_time(captures, 60_000_000, "x").number == 1
    assert at_time(captures, 95_000_000, "x").number == 1


def test_between_two_moments_of_what_was_backfilled_lies_a_part_of_it() -> None:
    earlier = replace(BACKFILL, number=-1, segment="s-30", occurred_at=30_000_000)
    captures = trail(earlier, BACKFILL, capture(50, number=1))
    low, high = at_time(captures, 15_000_000, "x"), at_time(captures, 35_000_000, "x")
    assert [(c.number, c.after, c.until) for c in captures.later(low, high)] == [
        (-1, 15_000_000, None), (0, None, 35_000_000),
    ]  # fmt: skip
    same = captures.later(low, at_time(captures, 16_000_000, "x"))
    assert [(c.number, c.after, c.until) for c in same] == [(-1, 15_000_000, 16_000_000)]
    assert captures.later(capture(50, number=1), capture(50, number=1)) == ()
    assert break_between(captures, low, captures.captures[-1]) == (
        "capture 0 (1970-01-01 00:00:40 UTC, batch batch-40) found 0 valid records where the snapshot's"
        " versions tell of"
        " 5: versions have been removed from its table or changed"
    )
