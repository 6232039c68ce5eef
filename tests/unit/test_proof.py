"""A proof holds for what it proves and for nothing else; a page of documentation and two languages agree."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.digest.canonical import canonical
from batch_audit.errors import UnknownFormatError, UnreadableError, VerificationFailed
from batch_audit.ledger.block import EMPTY_TREE, Tree, next_block
from batch_audit.ledger.merkle import merkle_root, root_over_nodes
from batch_audit.ledger.rows import Segment, event_row
from batch_audit.ledger.tables import EVENT, SEALED
from batch_audit.ledger.text import payload_commitment, row_text, sha256_hex
from batch_audit.proof.check import check
from batch_audit.proof.proof import LARGEST, Proof, Step, problems, read_proof
from batch_audit.proof.prove import _ranges, _steps
from tests.support.digests import digest_of, key, pem
from tests.support.proof_listing import listing

PAYLOAD = {
    "salt": "s",
    "old_hash": None,
    "record_hash": "h",
    "old_value": None,
    "new_value": '{"name":"Zoë|~"}',
}
SEGMENT = Segment("seg|ment", "batch", "2026-11", "inv", "hooks", 1)


def made(leaves_before: int = 300, leaves_after: int = 300) -> Proof:
    """A proof of one event among others, under a digest that key 1 signed."""
    row = event_row(
        SEGMENT, "~part", leaves_before + 1, "record_write", occurred_at=7, record_id="a|b~N",
        payload_commitment=payload_commitment(**PAYLOAD), error_message="",
    )  # fmt: skip
    values = dict(zip(EVENT.columns, row, strict=True))
    text = row_text(EVENT.name, tuple(values[name] for name in EVENT.hashed))
    others = [sha256_hex(str(number)) for number in range(leaves_before + leaves_after)]
    leaves = [*others[:leaves_before], sha256_hex(text), *others[leaves_before:]]
    blocks = [next_block(None, SEGMENT.segment, SEALED[0].name, Tree(1, sha256_hex("s")), 1)]
    blocks.append(
        next_block(blocks[0], SEGMENT.segment, EVENT.name, Tree(len(leaves), merkle_root(leaves)), 1)
    )
    for table in SEALED[2:]:
        blocks.append(next_block(blocks[-1], SEGMENT.segment, table.name, EMPTY_TREE, 1))
    path = list(steps(leaves, leaves_before))
    return Proof(text, path, blocks[1:], digest_of(blocks, signer=key(1)), PAYLOAD)


def steps(leaves: list[str], place: int) -> Iterator[Step]:
    first = place - place % 256
    nodes = [merkle_root(leaves[start : start + 256]) for start in range(0, len(leaves), 256)]
    return _steps(leaves[first : first + 256], nodes, place)


PROOF = made()


@given(st.integers(1, 70_000), st.data())
def test_every_leafs_path_leads_to_the_root(count: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, count - 1))
    nodes = [f"{number:064x}" for number in range((count + 255) // 256)]
    first = place - place % 256
    leaves = [f"{number:064d}" for number in range(first, min(first + 256, count))]
    nodes[place // 256] = merkle_root(leaves)
    found = leaves[place % 256]
    for step in _steps(leaves, nodes, place):
        found = step.hash_over(found)

    assert found == root_over_nodes(nodes)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 700), min_size=1, max_size=5), st.data())
def test_the_leaves_beside_an_event_are_found_whatever_the_parts(
    sizes: dict[str, int], data: st.DataObject
) -> None:
    ordered = [(name, seq) for name in sorted(sizes) for seq in range(1, sizes[name] + 1)]
    starts = {name: ordered.index((name, 1)) for name in sorted(sizes)}
    first = data.draw(st.integers(0, (len(ordered) - 1) // 256)) * 256

    found = [(name, seq) for name, low, high in _ranges(sizes, starts, first) for seq in range(low, high + 1)]

    assert found == ordered[first : first + 256]


def test_a_proof_reads_back_holds_and_shows_the_event() -> None:
    read = read_proof(PROOF.file())

    assert read == PROOF
    assert list(problems(read)) == []
    assert (read.event["segment"], read.event["record_id"], read.event["error_message"]) == (
        "seg|ment",
        "a|b~N",
        "",
    )
    assert read.event["source"] is None
    assert "signed by key" in check(read, [pem(2), pem(1)], [])
    assert check(read, [], [PROOF.digest] if PROOF.digest else []) == "its digest 1 is one that you hold"


CHANGES: dict[str, Proof] = {
    "another event": replace(PROOF, row_text=PROOF.row_text.replace("record_write", "record_error")),
    "another hash beside it": replace(
        PROOF, path=[replace(PROOF.path[0], after="0" * 64 + PROOF.path[0].after[64:]), *PROOF.path[1:]]
    ),
    "another place": replace(
        PROOF,
        path=[
            replace(PROOF.path[0], before=PROOF.path[0].after, after=PROOF.path[0].before),
            *PROOF.path[1:],
        ],
    ),
    "another root": replace(
        PROOF, blocks=[replace(PROOF.blocks[0], merkle_root="0" * 64), *PROOF.blocks[1:]]
    ),
    "another table's block": replace(PROOF, blocks=PROOF.blocks[1:]),
    "a block less": replace(PROOF, blocks=[PROOF.blocks[0], *PROOF.blocks[2:]]),
    "not up to the digest": replace(PROOF, blocks=PROOF.blocks[:1]),
    "another payload": replace(PROOF, payload=PAYLOAD | {"new_value": "{}"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_is_changed_the_proof_no_longer_holds(name: str) -> None:
    changed = read_proof(CHANGES[name].file())

    with pytest.raises(VerificationFailed, match="The proof does not hold"):
        check(changed, [pem(1)], [])


@pytest.mark.parametrize(
    ("proof", "keys", "reason"),
    [
        (PROOF, [], "Without a public key nobody knows"),
        (PROOF, [pem(2)], "which you did not give"),
        (replace(PROOF, digest=None), [pem(1)], "no digest vouches"),
    ],
)
def test_a_proof_that_nobody_vouches_for_proves_nothing(proof: Proof, keys: list[bytes], reason: str) -> None:
    with pytest.raises(VerificationFailed, match=reason):
        check(proof, keys, [])


def test_a_proof_with_a_forged_signature_is_forged() -> None:
    assert PROOF.digest is not None
    forged = replace(PROOF, digest=replace(PROOF.digest, signature=b"\x01" * 64))

    with pytest.raises(VerificationFailed, match="forged: the signature"):
        check(read_proof(forged.file()), [pem(1)], [])


@pytest.mark.parametrize(
    "broken",
    [
        replace(PROOF, path=[]),
        replace(PROOF, blocks=[]),
        replace(PROOF, path=PROOF.path[1:]),
        replace(PROOF, path=[replace(PROOF.path[0], children=257)]),
        replace(PROOF, path=[replace(PROOF.path[0], before=PROOF.path[0].before[1:])]),
        replace(PROOF, row_text="v1|audit_event|1|x"),
        replace(PROOF, row_text=PROOF.row_text + "|x"),
        replace(PROOF, row_text=PROOF.row_text.replace("v1|", "v2|", 1)),
    ],
)
def test_what_cannot_be_a_proof_is_refused(broken: Proof) -> None:
    with pytest.raises(UnreadableError):
        check(read_proof(broken.file()), [pem(1)], [])


def test_one_flipped_bit_in_a_proof_is_never_believed() -> None:
    data = made(3, 3).file()
    believed = []
    for place in range(len(data)):
        try:
            check(read_proof(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]), [pem(1)], [])
            believed.append(place)
        except VerificationFailed:
            continue

    assert believed in ([], [len(data) - 1])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.binary(max_size=400) | JSON.map(lambda value: canonical(value) + b"\n"))
def test_whatever_is_read_as_a_proof_gets_a_clear_error(data: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_proof(data)

    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


@given(st.data())
def test_a_proof_with_any_member_exchanged_is_refused_or_does_not_hold(data: st.DataObject) -> None:
    original: dict[str, Any] = json.loads(made(1, 1).file())
    value = json.loads(made(1, 1).file())
    holder = data.draw(
        st.sampled_from([value, value["path"][0], *value["blocks"], value["digest"], value["payload"]])
    )
    name = data.draw(st.sampled_from(sorted(holder)))
    holder[name] = data.draw(JSON)
    try:
        check(read_proof(canonical(value) + b"\n"), [pem(1)], [])
    except VerificationFailed as error:
        assert str(error) and len(str(error)) < 700
    else:
        assert value | {"payload": None} == original | {"payload": None}


def test_an_unknown_format_and_a_huge_file_are_said_to_be_so() -> None:
    with pytest.raises(UnknownFormatError, match="its format is 'v9', known is"):
        read_proof(b'{"format":"v9"}\n')
    with pytest.raises(UnreadableError, match="bytes, at most"):
        read_proof(b" " * (LARGEST + 2))


def test_the_documented_programs_agree(tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_bytes(PROOF.file())
    (tmp_path / "key.pub").write_bytes(pem(1))
    (tmp_path / "check.py").write_text(listing("python"), encoding="utf-8")
    (tmp_path / "check.js").write_text(listing("js"), encoding="utf-8")
    programs = [[sys.executable, "check.py"], *([["node", "check.js"]] if has_node() else [])]
    for program in programs:
        done = run(tmp_path, *program, "proof.json", "key.pub")
        assert (done.stdout.strip(), done.returncode) == ("4", 0), done.stderr
        for name in (
            "another event",
            "another hash beside it",
            "another root",
            "a block less",
            "not up to the digest",
        ):
            (tmp_path / "changed.json").write_bytes(CHANGES[name].file())
            assert run(tmp_path, *program, "changed.json", "key.pub").returncode != 0, (program, name)
    if has_node():
        (tmp_path / "other.pub").write_bytes(pem(2))
        assert "signature" in run(tmp_path, "node", "check.js", "proof.json", "other.pub").stderr


def has_node() -> bool:
    return subprocess.run(["sh", "-c", "command -v node"], capture_output=True).returncode == 0


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
