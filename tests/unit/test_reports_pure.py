"""The pure parts of reports: words, record differences, places in time."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from batch_audit.reports import text
from batch_audit.reports.earlier import FIELDS_LISTED, EarlierVersions
from batch_audit.reports.page import outcome
from batch_audit.reports.records import record_change
from batch_audit.reports.timeline import lanes, span_of

START = datetime(2026, 1, 2, 3, 4, 5)


def run(node: str, start: float, end: float) -> dict[str, Any]:
    """A row of a node that ran from one second to another."""
    return {
        "node_id": node, "node_name": node, "outcome": "ok",
        "started_at": START + timedelta(seconds=start), "ended_at": START + timedelta(seconds=end),
    }  # fmt: skip


def change(change_type: str, old: str | None, new: str | None, changed: str | None = None) -> dict[str, Any]:
    """A row of fct_record_changes."""
    return {
        "record_id": "7", "change_type": change_type, "old_values": old, "new_values": new,
        "changed_fields_json": changed, "values_erased": False,
    }  # fmt: skip


def test_what_nobody_sees_is_written_out() -> None:
    assert text.visible("a\u202eb\x00c\td\ne") == "a⟨U+202E⟩b⟨U+0000⟩c\td\ne"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), (Decimal("0.327"), "0.33 s"), (12, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_short(seconds: Decimal | int | None, said: str) -> None:
    assert text.duration(seconds) == said


def test_long_text_says_how_much_is_left_out() -> None:
    assert text.shortened("x" * 1500, 400) == "x" * 400 + "… (1,100 more characters)"


def test_a_record_id_gives_back_the_keys_values() -> None:
    assert text.record_key("a~1b|~0c|~N") == ["a|b", "~c", None]


def test_an_update_shows_what_changed_first_and_tells_ignored_fields_apart() -> None:
    row = change(
        "update",
        '{"a, b":"1","loaded":"x","same":"s","gone":null}',
        '{"a, b":"2","loaded":"y","same":"s","gone":""}',
        '["gone","a, b"]',
    )
    found = record_change(row, {"loaded"})
    assert [(field.name, field.before, field.after) for field in found.telling] == [
        ("gone", None, ""),
        ("a, b", "1", "2"),
    ]
    assert [(field.name, field.state) for field in found.rest] == [("loaded", "ignored"), ("same", "same")]


def test_an_insert_shows_every_field_that_has_a_value() -> None:
    found = record_change(change("insert", None, '{"id":"7","loaded":"y","note":null}'), {"loaded"})
    assert [(field.name, field.after) for field in found.telling] == [("id", "7")]
    assert [field.name for field in found.rest] == ["loaded"]


def test_earlier_versions_are_those_before_the_shown_change_while_there_is_room() -> None:
    def row(back: int, at: int) -> dict[str, Any]:
        wide = json.dumps({f"c{number}": "x" for number in range(FIELDS_LISTED // 2)})
        place = {"node_id": "m", "before_capture": at, "versions": 4, "back": back, "batch_id": f"b{back}"}
        return change("insert", None, wide) | place

    before = EarlierVersions([row(back, at) for at in (6, 9) for back in (1, 2, 4)])
    shown = {"node_id": "m", "record_id": "7", "capture_no": 9}
    first, second = before.of(shown, ()), before.of(shown | {"capture_no": 6}, ())
    assert first is not None and second is not None and before.of(shown | {"capture_no": 5}, ()) is None
    assert (first.versions, first.last["batch_id"], first.first["batch_id"]) == (4, "b1", "b4")
    assert [row["batch_id"] for row, _ in first.listed] == ["b1", "b2"]
    assert (second.versions, second.listed) == (4, [])


def test_bars_are_where_the_nodes_were_in_time() -> None:
    rows = [run("a", 0, 5), run("b", 5, 10)]
    bars = [span_of(START, rows).bar(row, "ok", "") for row in rows]
    assert [(bar.x, bar.width) for bar in bars if bar] == [(0, 50), (50, 50)]


def test_a_bar_at_the_end_stays_inside_and_can_be_seen() -> None:
    span = span_of(START, [run("a", 0, 1000), run("b", 1000, 1000)])
    bar = span.bar(run("b", 1000, 1000), "ok", "")
    assert bar is not None and bar.width > 0 and bar.x + bar.width <= 100


def test_nodes_that_overlap_lie_in_different_lanes() -> None:
    rows = [run("a", 0, 4), run("b", 1, 2), run("c", 3, 5), run("d", 4, 6)]
    packed = lanes(rows, span_of(START, rows))
    assert [[bar.title for bar in lane] for lane in packed] == [["a", "d"], ["b", "c"]]


def test_the_axis_has_round_moments() -> None:
    assert span_of(START, [run("a", 0, 10)]).ticks() == [(0, 0), (5, 50), (10, 100)]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("success", "ok"),
        ("pass", "ok"),
        ("warn", "warn"),
        ("skipped", "skipped"),
        ("surprise", "error"),
        (None, "error"),
    ],
)
def test_a_status_that_is_not_known_is_an_error(status: str | None, kind: str) -> None:
    assert outcome(status) == kind
