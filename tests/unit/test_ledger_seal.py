"""What sealing decides to close and to seal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.ledger.seal import HOUR_US, OpenInvocation, UnsealedSegment, plan_seal

NOW = 1_000 * HOUR_US
SIX_HOURS = 6 * HOUR_US


def invocation(name: str, hours_ago: float) -> OpenInvocation:
    return OpenInvocation(name, f"batch-{name}", "2026-01", NOW - int(hours_ago * HOUR_US), 0, 0, 0)


def segment(name: str, hours_ago: float, *, ended: bool = False) -> UnsealedSegment:
    return UnsealedSegment(name, NOW - int(hours_ago * HOUR_US), ended)


def test_what_is_older_than_the_limit_is_closed_and_sealed() -> None:
    plan = plan_seal(
        [invocation("old", 7), invocation("young", 5)],
        [segment("old", 7), segment("young", 5)],
        now_us=NOW,
        older_than_us=SIX_HOURS,
    )

    assert [closed.invocation_id for closed in plan.close] == ["old"]
    assert (plan.seal, plan.left_open) == (("old",), ("young",))


def test_a_young_segment_whose_invocation_has_ended_is_sealed() -> None:
    plan = plan_seal([], [segment("ended", 0.1, ended=True)], now_us=NOW, older_than_us=SIX_HOURS)

    assert plan.seal == ("ended",)


@pytest.mark.parametrize(("hours", "sealed"), [(5.999, False), (6, True), (6.001, True)])
def test_the_limit_itself_counts_as_old(hours: float, sealed: bool) -> None:
    plan = plan_seal([], [segment("s", hours)], now_us=NOW, older_than_us=SIX_HOURS)

    assert (plan.seal == ("s",)) is sealed


def test_without_a_limit_everything_is_taken() -> None:
    # From a host whose clock is ahead.
    plan = plan_seal([invocation("new", -1)], [segment("new", -1)], now_us=NOW, older_than_us=None)

    assert (len(plan.close), plan.seal, plan.left_open) == (1, ("new",), ())


SEGMENTS = st.lists(
    st.builds(UnsealedSegment, st.uuids().map(str), st.integers(0, NOW), st.booleans()),
    unique_by=lambda s: s.segment,
)


@given(SEGMENTS, st.integers(0, NOW))
def test_every_segment_is_either_sealed_or_left_open_in_order(
    segments: list[UnsealedSegment], older_than_us: int
) -> None:
    plan = plan_seal([], segments, now_us=NOW, older_than_us=older_than_us)

    names = [one.segment for one in segments]
    assert sorted(plan.seal + plan.left_open) == sorted(names)
    assert list(plan.seal) == [name for name in names if name in plan.seal]
