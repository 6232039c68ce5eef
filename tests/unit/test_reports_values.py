"""How values are shown: what is clipped, what is marked, and that nothing is lost or made up on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.reports.values import Missing, Shown, pieces, shown, shown_pair

NASTY = st.text(st.sampled_from("ab <\n\t\r\u00a0\u3000\u202e\U0001f642é·↵"), max_size=60)


def told(value: Shown) -> str:
    """The text that is shown, without its marks."""
    return "".join(text for text, _ in value.parts)


@given(NASTY)
def test_marks_stand_beside_the_text_and_change_nothing_of_it(text: str) -> None:
    said = ""
    for piece, mark in pieces(text):
        if not mark:
            said += piece
        elif mark.endswith(("space", "spaces")) and mark != "another space":
            said += " " * len(piece)
        elif mark == "another space":
            said += chr(int(piece[3:-1], 16))
    assert said == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a b", "a b"), (" a", "·a"), ("a ", "a·"), ("a  b", "a··b"), ("a\nb", "a↵\nb"), ("a \n b", "a·↵\n·b"),
        ("a\tb", "a⇥\tb"), ("a\u00a0b", "a⟨U+00A0⟩b"), ("   ", "···"), ("\n", "↵\n"),
    ],
)  # fmt: skip
def test_a_space_that_cannot_be_counted_is_seen(text: str, seen: str) -> None:
    assert "".join(piece for piece, _ in pieces(text)) == seen


def test_what_is_no_text_is_told_apart() -> None:
    values = (None, "", " ", Missing.ABSENT, Missing.ERASED, "null", "0")
    assert [shown(value).kind for value in values] == [
        "null", "empty", "text", "absent", "erased", "text", "text",
    ]  # fmt: skip


@given(NASTY, NASTY, NASTY, NASTY, st.integers(1, 40))
def test_a_pair_is_cut_and_nothing_is_made_up(head: str, old: str, new: str, tail: str, limit: int) -> None:
    before, after = head * 3 + old + tail, head * 3 + new + tail
    for text, value in zip((before, after), shown_pair(before, after, limit, full=True), strict=True):
        if not text:
            assert value.kind == "empty"
            continue
        assert value.before + len(told(value)) + value.after == len(text)
        assert text[value.before :].startswith(told(value)) and len(told(value)) <= limit
        assert value.full == (text if value.before or value.after else None)


def test_the_difference_of_two_long_texts_is_in_what_is_shown() -> None:
    before = "x" * 5000 + "old" + "y" * 5000
    after = "x" * 5000 + "new value" + "y" * 5000
    old, new = shown_pair(before, after)
    assert [text for text, differs in old.parts if differs] == ["old"]
    assert [text for text, differs in new.parts if differs] == ["new value"]
    assert (old.before, len(told(old))) == (4940, 400) and old.after == len(before) - 5340
    assert shown(before).before == 0 and shown(before).full is None


def test_a_text_that_only_grew_shows_its_end() -> None:
    old, new = shown_pair("x" * 1000, "x" * 1000 + "!")
    assert told(old) == "x" * 60 and told(new) == "x" * 60 + "!"
    assert new.parts[-1] == ("!", True) and new.after == 0


def test_short_texts_and_those_with_little_in_common_are_not_marked() -> None:
    for before, after in (("new", "paid"), ("a" * 100, "b" * 100)):
        assert [part for value in shown_pair(before, after) for part in value.parts] == [
            (before, False),
            (after, False),
        ]
