"""The page of a record: what stands where on its timeline, what it says of now, and what data can never do to it."""

from dataclasses import replace

import pytest

from batch_audit.history.captures import Capture, Trail, Uncaptured
from batch_audit.history.versions import RecordHistory, Run, Text, Version
from batch_audit.reports.record_page import (
    FULL_TEXT,
    VERSIONS_SHOWN,
    Entry,
    Gap,
    build_record_page,
    record_file_name,
)
from batch_audit.reports.render import render_record
from batch_audit.warehouses.base import Column
from tests.support.page import Element, faults, parsed

ID, NOTE, SEEN = Column("id", "integer"), Column("note", "text"), Column("seen", "text")
KNOWN = Run("nightly", "ci", "c" * 40, False, "success")
HOSTILE = (
    "<script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "</title></bdi></details><!--",
)


def capture(number: int, **fields: object) -> Capture:
    """A capture of 5 rows, made so many seconds after the epoch."""
    made = Capture(
        number, "changes", f"batch-{number}", "2026-11", f"s-{number}", "model.shop.m", number * 1_000_000,
        '"shop"."m"', ("id",), ("seen",), (ID, NOTE, SEEN), 5, 5,
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def version(number: int, before: Text | None, after: Text | None, **fields: object) -> Version:
    """A version that a capture logged: an update, insert or delete by what there is before and after."""
    kind = "insert" if before is None else "delete" if after is None else "update"
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if kind != "update" or old.get(name) != new.get(name)]
    made = Version(
        number, f"batch-{number}", f"i-{number}", number * 1_000_000, "anna", KNOWN, kind,
        tuple((name, old.get(name), new.get(name)) for name in names), before, after, False, f"e-{number}",
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def history(
    *versions: Version, captures: tuple[Capture, ...] = (), uncaptured: tuple[Uncaptured, ...] = ()
) -> RecordHistory:
    made = captures or (capture(1, mode="first_build"), *map(capture, range(2, 6)))
    return RecordHistory(Trail("model.shop.m", made, uncaptured, "exact"), "7", versions)


def rows(one: RecordHistory) -> Element:
    """The page of a history as a tree."""
    return parsed(render_record(one, "db.audit"))


def told(one: RecordHistory) -> list[str]:
    """The timeline in short: the captures of versions, and the reasons of gaps."""
    return [
        " / ".join(it.reasons) if isinstance(it, Gap) else f"{it.word} {it.version.capture_no}"
        for it in build_record_page(one).timeline
    ]


A, B = {"id": "7", "note": None, "seen": "1"}, {"id": "7", "note": "", "seen": "2"}
C = {"id": "7", "note": "c", "seen": "3"}


def test_versions_are_newest_first_and_numbered_from_the_first() -> None:
    page = build_record_page(history(version(2, None, A), version(3, A, B), version(5, B, None)))
    assert [(it.number, it.word, it.version.capture_no) for it in page.timeline if isinstance(it, Entry)] == [
        (3, "Deleted", 5),
        (2, "Updated", 3),
        (1, "Inserted", 2),
    ]
    assert page.sentence.endswith("1 insert, 1 update, 1 delete.") and page.sentence.startswith("3 versions")
    assert (page.key, page.findings, page.left_out) == ([("id", "7")], [], 0)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"mode": "first_build"}, "first build"),
        ({"not_stored": 7}, "all but 7 of its changes"),
        ({"found_edited": True}, "outside dbt"),
        ({"key": ("id", "note")}, "has the key id, note instead of id"),
        ({"rows_before": 4}, "4 rows where the capture before it had left 5"),
    ],
)
def test_a_gap_stands_between_the_captures_that_it_parts(broken: dict[str, object], said: str) -> None:
    captures = (capture(1), capture(2), capture(3, **broken), capture(4))
    around = history(version(2, None, A), version(4, A, B), captures=captures)
    newest, gap, oldest = told(around)
    assert (newest, oldest) == ("Updated 4", "Inserted 2") and said in gap and "Capture 3" in gap


def test_what_a_capture_left_out_is_no_gap_for_a_record_that_it_stored() -> None:
    captures = (capture(1), capture(2), capture(3, not_stored=7))
    assert told(history(version(2, None, A), version(3, A, B), captures=captures)) == [
        "Updated 3", "Inserted 2",
    ]  # fmt: skip
    other = build_record_page(history(version(2, None, A), captures=captures))
    assert "1 gap" in other.present.sentence and ("warn", "1 gap in what is known") in other.findings


def test_missing_captures_and_builds_without_one_are_gaps_at_their_place() -> None:
    captures = (capture(1), capture(2), capture(5))
    dark = tuple(Uncaptured(f"dark-{n}", n * 1_000_000 + 1, "no key") for n in (0, 2, 5))
    newest, version_5, between, version_2 = told(
        history(version(2, None, A), version(5, A, B), captures=captures, uncaptured=dark)
    )
    assert "dark-5" in newest and (version_5, version_2) == ("Updated 5", "Inserted 2")
    assert "dark-2" in between and "captures 3 to 4 are missing" in between.lower()
    start = build_record_page(history(captures=captures, uncaptured=dark)).start
    assert "1 earlier build was not captured" in start


def test_reasons_that_are_not_shown_are_counted() -> None:
    dark = tuple(Uncaptured(f"dark-{n}", 2_000_000 + n, "no key") for n in range(1, 20))
    (gap, _) = build_record_page(history(version(2, None, A), uncaptured=dark)).timeline
    assert isinstance(gap, Gap) and len(gap.reasons) + gap.more == 19
    assert "dark-19" in gap.reasons[0]


def test_a_change_whose_capture_is_missing_is_shown_as_such() -> None:
    page = rows(history(version(0, None, A), version(3, A, B)))
    assert "its capture is missing from the store" in page.one("ol").all("li")[-2].words


def test_what_was_backfilled_is_no_capture_and_no_missing_one() -> None:
    told_by_snapshot = capture(0, mode="backfill", first_at=500_000, occurred_at=900_000)
    old = version(
        0, None, A, backfilled=True, occurred_at=600_000, run=Run("init", "os", None, None, "success")
    )
    page = rows(history(old, captures=(told_by_snapshot, capture(1))))
    (entry,) = page.all("li", class_="insert")
    assert "backfilled from the snapshot" in entry.words and "missing" not in entry.words
    by, _, written = entry.one("dl", class_="made").all("dd")
    assert by.words == "not known no capture saw it" and "batch-0" in written.words
    assert "anna" not in entry.words and "Written by" in entry.words
    header = page.one("header").words
    assert "1 version backfilled" in header and "Nobody said" not in header
    assert "1 Jan 1970, 00:00:00 UTC" in header and "backfilled from the versions" in page.one("ol").words
    assert "changed by what was backfilled" in page.one("section", id="present").words


@pytest.mark.parametrize(
    ("versions", "captures", "status", "said"),
    [
        ((version(2, None, A),), (), "there", "last changed by capture 2"),
        ((version(2, A, None),), (), "gone", "deleted by capture 2"),
        ((version(2, A, B, erased=True),), (), "there", "have been erased"),
        ((), (), "unknown", "the log cannot tell"),
        ((), (capture(1, mode="baseline"), capture(2)), "gone", "every record of that time and not this one"),
        ((), (capture(1, mode="baseline"), capture(2, found_edited=True)), "unknown", "the log cannot tell"),
        ((version(2, None, A),), (capture(1), capture(2), capture(4)), "there", "may have changed unseen"),
    ],
)
def test_what_is_known_of_now_is_said_with_its_doubts(
    versions: tuple[Version, ...], captures: tuple[Capture, ...], status: str, said: str
) -> None:
    present = build_record_page(history(*versions, captures=captures)).present
    assert present.status == status and said in present.sentence


def test_present_values_have_the_columns_of_the_newest_capture() -> None:
    wider = capture(3, columns=(ID, Column("NOTE", "text"), SEEN, Column("added", "text")))
    one = history(version(2, None, A), captures=(capture(1), capture(2), wider))
    folding = replace(one, trail=replace(one.trail, fold="ascii"))
    lines = build_record_page(folding).present.lines
    assert [(line.name, line.after.kind, line.ignored) for line in lines] == [
        ("id", "text", False), ("NOTE", "null", False), ("seen", "text", True), ("added", "absent", False),
    ]  # fmt: skip


def test_null_empty_absent_and_erased_are_told_apart() -> None:
    narrow, wide = {"id": "7"}, A | {"note": "x"}
    gone = replace(version(4, B, C), before=None, after=None, erased=True)
    page = rows(history(version(2, narrow, wide), version(3, A, B), gone))
    erased, emptied, widened = (entry.all("dd", class_="pair") for entry in page.all("li", class_="update"))
    assert [one.words for one in widened] == [
        "before: no such column→after: x", "before: no such column→after: 1",
    ]  # fmt: skip
    assert [one.words for one in emptied][:1] == ["before: null→after: empty"]
    assert {one.words for one in erased} == {"before: erased→after: erased"}
    assert "have been erased from the store" in page.all("li", class_="update")[0].words


def test_an_ignored_field_does_not_count_and_others_are_one_click_away() -> None:
    only_note = (("note", None, ""),)
    (entry,) = build_record_page(history(version(3, A, B, fields=only_note))).timeline[:1]
    assert isinstance(entry, Entry)
    assert [line.name for line in entry.lines] == ["note"]
    assert [(line.name, line.pair, line.ignored) for line in entry.others] == [
        ("id", False, False),
        ("seen", True, True),
    ]


def test_a_long_value_is_clipped_and_there_in_full() -> None:
    before, after = {"id": "7", "note": "x" * 6000 + "\n "}, {"id": "7", "note": "x" * 3000 + "Y" * 4000}
    page = rows(history(version(3, before, after)))
    whole = page.one("dd", class_="pair").all("details", class_="whole")
    assert [one.all("bdi")[-1].text for one in whole] == ["x" * 6000 + "↵\n·", after["note"]]
    assert "characters before" in whole[0].one("summary").words


def test_the_page_stays_small_enough_to_open() -> None:
    long = [{"id": "7", "note": str(number) * 30_000} for number in range(9)] * 80
    many = [version(number + 2, long[number], long[number + 1]) for number in range(700)]
    captures = tuple(capture(number) for number in range(1, 702))
    html = render_record(history(*many, captures=captures), "db.audit")
    page = parsed(html)
    assert len(page.all("li", class_="update")) == VERSIONS_SHOWN
    assert f"{700 - VERSIONS_SHOWN} older versions not shown" in page.one("ol").words
    assert len(html) < 3 * FULL_TEXT
    kept = sum(len(one.all("bdi")[-1].text) for one in page.all("details", class_="whole"))
    assert 0 < kept <= FULL_TEXT


@pytest.mark.parametrize("word", HOSTILE)
def test_text_from_outside_adds_no_element_and_no_attribute(word: str) -> None:
    def made(text: str) -> RecordHistory:
        run = Run(text, text, text, True, text)
        one = version(2, {"id": text}, {"id": text + "!", text: text}, actor=text, batch_id=text, run=run)
        captures = (
            capture(1, batch_id=text, relation=text, key=(text,), ignored=(text,)),
            capture(2, columns=(Column(text, "x"),)),
        )
        missed = (Uncaptured(text, 3_000_000, text),)
        return replace(history(one, captures=captures, uncaptured=missed), record_id=text)

    harmless, hostile = rows(made("x")), rows(made(word))
    for what in (lambda e: e.name, lambda e: tuple(sorted(e.attributes))):
        assert {what(one) for one in hostile.all()} == {what(one) for one in harmless.all()}
    assert word in hostile.text and faults(hostile) == []


def test_the_page_is_one_that_everybody_can_read() -> None:
    dark = (Uncaptured("dark", 9_000_000, "no key"),)
    full = history(version(2, None, A), version(3, A, B), version(5, B, None, erased=True), uncaptured=dark)
    for one in (full, history()):
        assert faults(rows(one)) == []
    page = rows(full)
    kinds = {e.one("h3").all("span", class_="tag")[0].words for e in page.all("li") if e.all("time")}
    assert kinds == {"Inserted", "Updated", "Deleted"}
    assert [icon.attributes.get("aria-hidden") for icon in page.all("span", class_="icon")] == ["true"] * 5
    assert {time.attributes["datetime"] for time in page.all("time")} >= {"1970-01-01T00:00:02.000000Z"}
    assert all("UTC" in time.words for time in page.all("time"))


def test_the_same_history_gives_the_same_bytes_and_names_no_person() -> None:
    one = replace(history(version(2, None, A)), record_id="anna@example.com")
    assert render_record(one, "x") == render_record(one, "x")
    assert record_file_name(one, "html").startswith("record-m-") and "anna" not in record_file_name(
        one, "html"
    )
    assert record_file_name(one, "html") != record_file_name(history(), "html")
