"""The order of damages, and what is said of them."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from batch_audit.ledger.block import Block
from batch_audit.ledger.damage import KEPT, MEANINGS, Damage, DamageLog
from batch_audit.ledger.describe import describe
from batch_audit.ledger.judge import Coverage, VerifyResult
from tests.support.golden import golden

COVERAGE = Coverage(12, 3, 1234, 1, 2, 1, 1, 0, 0)
HEAD = Block(**golden("blocks")[-1])
DAMAGE = st.builds(
    Damage,
    kind=st.sampled_from(sorted(MEANINGS)),
    table=st.sampled_from(["audit_event", "audit_block", "audit_payload"]),
    block_no=st.none() | st.integers(1, 5),
    segment=st.none() | st.sampled_from("ab"),
    part=st.none() | st.sampled_from("pq"),
    seq=st.none() | st.integers(1, 3),
)


@given(st.lists(DAMAGE, max_size=40))
def test_damages_come_in_the_chains_order_however_they_were_found(damages: list[Damage]) -> None:
    one, other = DamageLog(), DamageLog()
    one.extend(damages)
    other.extend(reversed(damages))

    assert one.first() == other.first()
    blocks = [damage.block_no for damage in one.first()]
    assert blocks == sorted(blocks, key=lambda number: (number is None, number or 0))


def test_a_log_counts_all_and_keeps_the_first() -> None:
    log = DamageLog()
    log.extend(Damage("event_edited", "audit_event", block_no=1, seq=seq) for seq in range(20 * KEPT, 0, -1))

    assert log.kinds == {"event_edited": 20 * KEPT}
    assert [damage.seq for damage in log.first()] == list(range(1, KEPT + 1))


def result(*damages: Damage, coverage: Coverage = COVERAGE) -> VerifyResult:
    log = DamageLog()
    log.extend(damages)
    return VerifyResult(coverage, log.first(), dict(log.kinds), HEAD)


def test_an_intact_store_is_said_to_be_intact_first() -> None:
    lines = describe(result(), store="db.audit", seconds=1.25).splitlines()

    assert lines[0].startswith("db.audit: intact.")
    assert lines[1] == "  checked: 12 blocks, 3 segments, 1,234 events, 1 payload, 2 edges"
    assert lines[2] == "  erased: 2 payloads, as erasure events say"
    assert lines[3] == f"  newest block: 8, {HEAD.block_hash}"


def test_damage_is_told_with_place_meaning_and_remedy() -> None:
    place = {"block_no": 2, "segment": "s", "part": "model.shop.orders", "seq": 17}
    subject = {"event_type": "record_write", "target": "model.shop.orders", "record_id": "42"}
    edited = Damage("event_edited", "audit_event", **place, **subject)  # type: ignore[arg-type]
    altered = Damage("rows_altered", "audit_event", 2, "s", detail="roots differ")
    text = describe(result(edited, altered), store="db.audit", seconds=1)

    assert text.splitlines()[:5] == [
        "db.audit: NOT intact, 2 damages found.",
        "  first damage: event_edited in audit_event, block 2, segment s, part model.shop.orders, row 17",
        "    event: record_write of model.shop.orders, record 42",
        "    The event was changed after it was written: its columns no longer hash to its event_id.",
        "  then 1 more: 1 rows_altered",
    ]
    assert "What to do: leave the store as it is" in text


def test_nothing_sealed_is_told_apart_from_damage() -> None:
    text = describe(result(Damage("nothing_sealed", "audit_block")), store="db.audit", seconds=1)

    assert text.startswith("db.audit: nothing is proven")
    assert "batch-audit seal" in text


def test_an_ended_batch_without_blocks_is_a_warning() -> None:
    text = describe(result(coverage=Coverage(4, 2, 9, 0, 0, 0, 0, 2, 1)), store="db.audit", seconds=1)

    assert "open: 2 segments without blocks" in text
    assert "warning: 1 of these hold the end of their batch" in text


def test_json_repeats_the_meaning_of_each_damage() -> None:
    value = result(Damage("seq_gap", "audit_event", 2, "s", "p", 3)).as_json()

    assert (value["verdict"], value["damage_count"], value["kinds"]) == ("failed", 1, {"seq_gap": 1})
    assert value["damages"][0]["meaning"] == MEANINGS["seq_gap"]
    assert value["head"] == {"block_no": 8, "block_hash": HEAD.block_hash}


def test_the_reference_lists_every_kind_with_its_meaning() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "verify.md").read_text(
        encoding="utf-8"
    )
    listed = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, flags=re.MULTILINE)

    assert listed == list(MEANINGS.items())
