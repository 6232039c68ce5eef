"""What people are told of a verification that had digests, or left something out."""

from collections.abc import Sequence
from dataclasses import replace

from batch_audit.digest.coverage import DigestCoverage
from batch_audit.digest.judge import Evidence, OnRecord, judge_digests
from batch_audit.digest.witness import Witness
from batch_audit.ledger.damage import Damage
from batch_audit.ledger.describe import describe
from batch_audit.ledger.judge import Coverage, VerifyResult
from tests.support.digests import chain, digests_of, given, key, lines_of, pem

BLOCKS = chain(3)
SIGNED = digests_of(BLOCKS, key(1))
COVERAGE = Coverage(12, 3, 3, 0, 0, 3, 3, 0, 0)
FOUND = DigestCoverage(3, 3, 0, 0, 1, 3, 12, 0, 3)


def told(
    digests: DigestCoverage | None = None, damages: Sequence[Damage] = (), coverage: Coverage = COVERAGE
) -> str:
    kinds = {damage.kind: 1 for damage in damages}
    return describe(
        VerifyResult(coverage, tuple(damages), kinds, BLOCKS[-1], digests), store="db.audit", seconds=1
    )


def test_a_whole_check_with_witness_says_by_whom_and_up_to_where() -> None:
    evidence = Evidence(given(SIGNED), Witness(lines_of(SIGNED)), (pem(1),))
    text = told(judge_digests(evidence, OnRecord(BLOCKS)).coverage)

    assert text.startswith("db.audit: intact.")
    assert "digests: 3, numbers 1 to 3: 3 signed by a trusted key" in text
    assert "witness: 3 lines, not signed" in text
    assert "vouched for: up to block 12\n" in text
    assert "not checked" not in text and "warning" not in text


def test_what_was_left_out_is_never_called_intact() -> None:
    text = told(coverage=replace(COVERAGE, unread_segments=2, unread_rows=1234))

    assert text.startswith("db.audit: no damage in what was checked, which was not everything.")
    assert "not checked: 1,234 rows of 2 segments" in text


def test_what_digests_do_not_show_is_said() -> None:
    text = told(
        replace(
            FOUND, signed=0, unsigned=2, vouched=1, first=4, witness_lines=None, blocks_after=8,
            batches_without=tuple(f"b{n}" for n in range(7)), moves=("between digest 4 and now: a became b",),
            restores=("digest 5: disk failed",), lost_digests=(4,),
            timestamps=("digest 5: its timestamp is not checked",),
        )
    )  # fmt: skip

    for said in (
        "1 vouched for by later signed ones, 2 NOT SIGNED by a key that you gave",
        "not checked: the digests before number 4",
        "not checked: no witness was given",
        "nothing outside vouches for the 8 blocks after it",
        "warning: 7 batches have no digest of their own, so their rows waited unprotected for a later one:"
        " b0, b1, b2, b3, b4, …",
        "warning: the store moved, was copied or restored between digest 4 and now: a became b",
        "warning: a restore is stated by digest 5: disk failed",
        "warning: what digests 4 vouched for went with a restore",
        "timestamp of digest 5: its timestamp is not checked",
    ):
        assert said in text


def test_what_could_not_be_checked_is_not_called_damage_and_damage_is() -> None:
    missing = Damage("key_missing", "digest", detail="3 digests are signed")
    unproven = told(FOUND, [missing])
    damaged = told(FOUND, [Damage("tail_truncated", "digest", block_no=12), missing])

    assert unproven.startswith("db.audit: not proven. No damage was seen")
    assert "What to do: give what is missing" in unproven
    assert damaged.startswith("db.audit: NOT intact, 2 damages found.")
    assert "first damage: tail_truncated in digest, block 12" in damaged
    assert "leave the store as it is" in damaged
