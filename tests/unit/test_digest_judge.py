"""Digests and witness against a chain: every way to cheat that they can show is named, and nothing else is."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from batch_audit.digest.coverage import DigestResult
from batch_audit.digest.envelope import Signed, sign
from batch_audit.digest.folder import Given
from batch_audit.digest.judge import Evidence, OnRecord, judge_digests
from batch_audit.digest.witness import Line, Witness
from batch_audit.errors import UnknownFormatError, UnreadableError
from batch_audit.ledger.block import Block
from tests.support.digests import chain, digest_of, digests_of, given, key, lines_of, pem

BLOCKS = chain(4)
DIGESTS = digests_of(BLOCKS, key(1))
UNSIGNED = digests_of(BLOCKS)
LINES = lines_of(DIGESTS)
KEYS = (pem(1),)


def judged(
    digests: Sequence[Signed] | None = DIGESTS,
    lines: Sequence[Line] | None = None,
    blocks: Sequence[Block] = BLOCKS,
    keys: Sequence[bytes] = KEYS,
    identity: str | None = "file 1",
    batches: dict[str, int] | None = None,
) -> DigestResult:
    evidence = Evidence(
        None if digests is None else given(digests), None if lines is None else Witness(lines), keys
    )
    return judge_digests(evidence, OnRecord(blocks, identity, batches or {}))


def kinds(result: DigestResult) -> list[str]:
    return [damage.kind for damage in result.damages]


def changed(signed: Signed, number: int | None, **said: object) -> Signed:
    """A digest that says something else, signed anew by that key (None: with the old signature)."""
    digest = replace(signed.digest, **said)  # type: ignore[arg-type]
    if number is None:
        return Signed(digest, digest.payload(), signed.signature)
    return sign(replace(digest, signed_by=key(number).public_key.keyid), key(number))


def test_what_fits_is_no_damage_and_all_of_it_is_counted() -> None:
    result = judged(lines=LINES)

    assert kinds(result) == []
    found = result.coverage
    assert (found.digests, found.signed, found.vouched, found.unsigned) == (4, 4, 0, 0)
    assert (found.first, found.newest, found.newest_block, found.blocks_after) == (1, 4, 16, 0)
    assert (found.witness_lines, found.moves, found.batches_without, found.lost_digests) == (4, (), (), ())


def test_later_blocks_and_earlier_digests_are_counted_as_not_checked() -> None:
    found = judged(DIGESTS[1:3], blocks=chain(6)).coverage

    assert (found.first, found.newest_block, found.blocks_after) == (2, 12, 12)


def test_the_witness_alone_vouches_for_heads() -> None:
    assert kinds(judged(None, LINES, keys=())) == []
    assert kinds(judged(None, LINES, blocks=BLOCKS[:8], keys=())) == ["tail_truncated"] * 2


def test_a_truncated_tail_is_named_at_the_block_that_is_gone() -> None:
    result = judged(blocks=BLOCKS[:8])

    assert kinds(result) == ["tail_truncated", "tail_truncated"]
    assert result.damages[0].block_no == 12
    assert "digest 3 (digest-3.json)" in result.damages[0].detail
    assert "the store ends with block 8" in result.damages[0].detail


def test_a_truncated_tail_of_a_store_with_another_identity_is_a_restored_copy() -> None:
    result = judged(blocks=BLOCKS[:8], identity="file 2")

    assert kinds(result) == ["store_restored", "store_restored"]
    assert result.coverage.moves == ("between digest 4 and now: file 1 became file 2",)


def test_a_moved_store_that_lost_nothing_is_told_and_is_no_damage() -> None:
    result = judged(identity="file 2")

    assert kinds(result) == [] and len(result.coverage.moves) == 1
    assert judged(identity=None).coverage.moves == ()
    # Another login may not ask for all of it.
    parts = digest_of(BLOCKS, None, key(1))
    seen = changed(
        parts, 1, store=replace(parts.digest.store, identity="cluster 1 timeline 1, database 5, table 6")
    )
    assert judged([seen], identity="cluster unknown, database 5, table 6").coverage.moves == ()
    assert len(judged([seen], identity="cluster unknown, database 7, table 6").coverage.moves) == 1


def test_a_tail_that_was_rewritten_and_sealed_anew_is_named_where_it_begins() -> None:
    other = chain(4, salt="other")
    rewritten = [*BLOCKS[:8]]
    for block in other[8:]:
        rewritten.append(replace(block, previous_hash=rewritten[-1].block_hash))
        rewritten[-1] = replace(rewritten[-1], block_hash=rewritten[-1].expected_hash())
    result = judged(blocks=rewritten)

    assert kinds(result) == ["chain_rewritten", "chain_rewritten"]
    assert result.damages[0].block_no == 12


def test_a_new_genesis_is_another_store() -> None:
    assert kinds(judged(blocks=chain(4, salt="other"))) == ["digest_of_another_store"] * 4
    assert kinds(judged(blocks=[])) == ["tail_truncated"] * 4


def test_an_older_set_of_digests_is_found_by_the_witness_alone() -> None:
    truncated = judged(DIGESTS[:2], LINES, blocks=BLOCKS[:8])

    assert kinds(truncated) == ["digest_replayed", "tail_truncated", "tail_truncated"]
    assert "it remembers digests 3 to 4; the newest given is 2" in truncated.damages[0].detail
    assert kinds(judged(DIGESTS[:2], blocks=BLOCKS[:8])) == []


def test_a_removed_digest_is_missed() -> None:
    result = judged([DIGESTS[0], DIGESTS[3]])

    assert kinds(result) == ["digest_missing"]
    assert "digests 2 to 3 are not there" in result.damages[0].detail
    assert kinds(judged(DIGESTS[:3], LINES)) == ["digest_replayed"]
    assert kinds(judged(DIGESTS, LINES[:2])) == ["witness_cut"]


def test_two_digests_of_one_place_are_a_fork() -> None:
    twin = digest_of(BLOCKS[:8], DIGESTS[0], key(1), restored=None, batch_id="other")

    assert kinds(judged([*DIGESTS, twin])) == ["digest_forked"]
    assert kinds(judged([*DIGESTS, DIGESTS[1]])) == []
    assert kinds(judged([DIGESTS[0], twin, *DIGESTS[2:]])) == ["digest_forked"]
    assert "witness_contradicted" in kinds(judged([DIGESTS[0], twin], LINES[:2]))


@pytest.mark.parametrize(
    ("forged", "kind"),
    [
        (changed(DIGESTS[3], None, made_at=DIGESTS[3].digest.made_at + 1), "digest_forged"),
        (changed(DIGESTS[3], 2, made_at=DIGESTS[3].digest.made_at + 1), "digest_untrusted"),
        (digest_of(BLOCKS, DIGESTS[2]), "digest_unsigned"),
    ],
)
def test_a_digest_that_somebody_without_the_key_made_is_named(forged: Signed, kind: str) -> None:
    result = judged([*DIGESTS[:3], forged])

    assert kinds(result) == [kind]
    assert (result.coverage.signed, result.coverage.vouched) == (3, 0)


@pytest.mark.parametrize("digests", [[], [DIGESTS[0]]])
def test_signed_digests_without_a_key_and_no_digest_at_all_prove_nothing(digests: list[Signed]) -> None:
    assert kinds(judged(digests, keys=())) == (["key_missing"] if digests else ["no_digest"])


def test_unsigned_digests_are_labelled_and_refused_where_a_key_is_given() -> None:
    result = judged(UNSIGNED, keys=())

    assert (kinds(result), result.coverage.unsigned) == ([], 4)
    assert kinds(judged(UNSIGNED)) == ["digest_unsigned"]
    assert judged(UNSIGNED).coverage.vouched == 0
    assert kinds(judged(keys=(pem(2),))) == ["digest_untrusted"]


def rotated() -> list[Signed]:
    """Key 1 signs two digests and names key 2, which signs two more and names key 3."""
    first = digest_of(BLOCKS[:4], None, key(1))
    second = digest_of(BLOCKS[:8], first, key(1), next_key=pem(2).decode())
    third = digest_of(BLOCKS[:12], second, key(2), next_key=pem(3).decode())
    return [first, second, third, digest_of(BLOCKS, third, key(3))]


@pytest.mark.parametrize(("number", "signed", "vouched"), [(1, 4, 0), (2, 2, 2), (3, 1, 3)])
def test_trust_passes_from_any_given_key_to_those_that_it_names_and_by_hash_to_older_ones(
    number: int, signed: int, vouched: int
) -> None:
    result = judged(rotated(), keys=(pem(number),))

    assert kinds(result) == []
    assert (result.coverage.signed, result.coverage.vouched) == (signed, vouched)


def test_a_key_that_was_replaced_signs_no_more_and_one_that_nobody_named_never_did() -> None:
    first, second, _, _ = rotated()

    assert kinds(judged([first, second, digest_of(BLOCKS[:12], second, key(1))])) == ["digest_untrusted"]
    assert kinds(judged([first, digest_of(BLOCKS[:8], first, key(2))])) == ["digest_untrusted"]
    # Somebody who cannot sign cannot make a key follow either.
    named = changed(DIGESTS[1], None, next_key=pem(2).decode())
    assert kinds(judged([DIGESTS[0], named, digest_of(BLOCKS[:12], named, key(2))])) == [
        "digest_forged",
        "digest_untrusted",
    ]


def test_unsigned_digests_before_the_first_signed_one_are_vouched_for() -> None:
    signed = digest_of(BLOCKS, UNSIGNED[2], key(1))
    result = judged([*UNSIGNED[:3], signed])

    assert (kinds(result), result.coverage.vouched, result.coverage.unsigned) == ([], 3, 0)
    # What they said cannot be exchanged afterwards.
    forged = changed(UNSIGNED[1], None, batch_id="other")
    assert kinds(judged([UNSIGNED[0], forged, UNSIGNED[2], signed])) == ["digest_forked"]


def test_a_digest_that_goes_back_is_misordered() -> None:
    back = digest_of(BLOCKS[:4], DIGESTS[1], key(1))
    assert kinds(judged([*DIGESTS[:2], back])) == ["digest_misordered", "digest_misordered"]
    early = digest_of(BLOCKS[:12], DIGESTS[1], key(1), made_at=1)
    assert kinds(judged([*DIGESTS[:2], early])) == ["digest_misordered"]
    jumped = digest_of(BLOCKS[:12], DIGESTS[1], key(1), incarnation=2)
    assert kinds(judged([*DIGESTS[:2], jumped])) == ["digest_misordered"]


def test_a_restore_that_a_digest_states_takes_what_later_blocks_vouched_for_with_it() -> None:
    """Blocks 9 to 16 were lost; the chain went on from block 8 with others."""
    went_on = [*BLOCKS[:8]]
    for block in chain(3, salt="new")[8:]:
        went_on.append(replace(block, previous_hash=went_on[-1].block_hash))
        went_on[-1] = replace(went_on[-1], block_hash=went_on[-1].expected_hash())
    stated = digest_of(
        went_on, DIGESTS[3], key(1), incarnation=2, restored="disk failed", made_at=DIGESTS[3].digest.made_at
    )
    result = judged([*DIGESTS, stated], lines_of([*DIGESTS, stated]), blocks=went_on)

    assert kinds(result) == []
    assert result.coverage.lost_digests == (3, 4)
    assert result.coverage.restores == ("digest 5: disk failed",)
    # Without the statement it is damage.
    silent = digest_of(went_on, DIGESTS[3], key(1), made_at=DIGESTS[3].digest.made_at)
    assert "chain_rewritten" in kinds(judged([*DIGESTS, silent], blocks=went_on))


def test_wrong_counts_are_found() -> None:
    wrong = changed(DIGESTS[0], 1, sealed_rows={**DIGESTS[0].digest.sealed_rows, "audit_event": 7})

    assert kinds(judged([wrong])) == ["digest_wrong_counts"]


def test_files_that_cannot_be_read_and_unknown_formats_are_named_before_all_blocks() -> None:
    files = [
        *given(DIGESTS),
        Given("x.json", problem=UnreadableError("it is not JSON")),
        Given("y.json", problem=UnknownFormatError("format 'v2'")),
    ]
    result = judge_digests(Evidence(files, Witness([], "line 1: it is cut"), KEYS), OnRecord(BLOCKS))

    assert kinds(result) == ["digest_unreadable", "digest_unknown_format", "witness_broken"]
    assert "x.json: it is not JSON" in result.damages[0].detail
    assert result.damages[0].position < judged(blocks=BLOCKS[:8]).damages[0].position


def test_batches_that_no_digest_names_are_listed_from_the_first_digest_on() -> None:
    named = digest_of(BLOCKS[:8], None, key(1), batch_id="b1")
    last = digest_of(BLOCKS, named, key(1), batch_id="b3")
    result = judged([named, last], batches={"b0": 4, "b1": 8, "b2": 12, "b3": 16})

    assert (kinds(result), result.coverage.batches_without) == ([], ("b2",))


def test_a_key_that_is_none_is_an_error() -> None:
    with pytest.raises(UnreadableError, match="not a public key"):
        judged(keys=(b"-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----\n",))


@given_any(st.sets(st.integers(1, 4)), st.integers(0, 4), st.booleans())
def test_whatever_is_removed_is_found_exactly_when_what_is_left_could_tell(
    shown: set[int], segments: int, witnessed: bool
) -> None:
    """Somebody shows some of the digests and keeps the blocks of some segments; nobody forges anything."""
    digests = [signed for signed in DIGESTS if signed.digest.sequence in shown]
    result = judged(digests, LINES if witnessed else None, blocks=BLOCKS[: 4 * segments])

    without_gap = bool(shown) and shown == set(range(min(shown), max(shown) + 1))
    told_by_digests = without_gap and segments >= max(shown)
    honest = told_by_digests and (not witnessed or (max(shown) == 4 and segments == 4))
    assert (kinds(result) == []) == honest


@given_any(st.integers(0, 3), st.integers(0, 3), st.sampled_from([1, 2, 3]))
def test_whoever_lacks_the_key_cannot_change_what_any_digest_says(
    place: int, takes_over_at: int, own_key: int
) -> None:
    """From some digest on everything is written anew, with another key or none, over another chain."""
    signer = {1: None, 2: key(2), 3: key(3)}[own_key]
    other = [*BLOCKS[: 4 * takes_over_at]]
    for block in chain(4, salt="other")[4 * takes_over_at :]:
        previous = other[-1].block_hash if other else block.previous_hash
        linked = replace(block, previous_hash=previous)
        other.append(replace(linked, block_hash=linked.expected_hash()))
    forged = DIGESTS[:takes_over_at]
    for end in range(takes_over_at + 1, 5):
        forged = [*forged, digest_of(other[: 4 * end], forged[-1] if forged else None, signer)]

    assert kinds(judged(forged, blocks=other)) != []
    assert kinds(judged(forged[: place + 1], blocks=other)) != [] or place < takes_over_at
