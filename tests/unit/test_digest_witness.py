"""The witness only grows, and shows every line that was changed, removed, added or cut."""

import io
import os
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.digest.follow import follow
from batch_audit.digest.witness import LONGEST_LINE, Witness, lines_for, read_witness
from batch_audit.digest.witness_file import opened_witness
from batch_audit.errors import VerificationFailed
from tests.support.digests import chain, digest_of, digests_of, lines_of

DIGESTS = digests_of(chain(5))
LINES = lines_of(DIGESTS)
TEXT = b"".join(line.text() + b"\n" for line in LINES)


def read(text: bytes) -> Witness:
    return read_witness(io.BytesIO(text))


def test_lines_read_back_as_they_were_written() -> None:
    assert read(TEXT) == Witness(LINES)
    assert read(b"") == Witness([])


def test_one_flipped_bit_anywhere_breaks_a_line_or_stops_it_from_being_followed() -> None:
    """The last line has no follower: a change there contradicts the digest, which the judge holds against it."""
    texts = TEXT.splitlines(keepends=True)
    end = len(TEXT) - len(texts[-1])
    for place in range(end):
        changed = read(TEXT[:place] + bytes([TEXT[place] ^ 1]) + TEXT[place + 1 :])
        assert changed.problem is not None, place
        assert list(changed.lines) != LINES


@pytest.mark.parametrize("gone", range(4))
def test_a_removed_line_is_missed(gone: int) -> None:
    texts = TEXT.splitlines(keepends=True)
    found = read(b"".join(texts[:gone] + texts[gone + 1 :]))

    assert len(found.lines) == gone
    assert f"line {gone + 1}: it does not follow the line before" in str(found.problem)


def test_a_line_that_is_cut_too_long_or_twice_there_is_named() -> None:
    texts = TEXT.splitlines(keepends=True)

    assert "line 5: it is cut" in str(read(TEXT[:-1]).problem)
    assert "line 1: it is too long" in str(read(b"x" * (LONGEST_LINE * 3)).problem)
    assert "line 3: it does not follow" in str(read(b"".join([*texts[:2], texts[1]])).problem)


@given(st.binary(max_size=300))
def test_whatever_is_read_as_a_witness_gets_a_problem(text: bytes) -> None:
    found = read(text)

    assert found.lines == [] and (found.problem is None) == (text == b"")


def test_appending_only_adds_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "witness.jsonl"
    for line in LINES:
        before = path.read_bytes() if path.exists() else b""
        with opened_witness(path) as witness:
            assert witness.tail == (LINES[line.line - 2] if line.line > 1 else None)
            witness.append([line])
        assert path.read_bytes() == before + line.text() + b"\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("tail", [b"{}\n", b"x", LINES[0].text(), b"\n", b"x" * 5000 + b"\n"])
def test_nothing_is_appended_behind_a_tail_that_does_not_fit(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "witness.jsonl"
    path.write_bytes(tail)

    with pytest.raises(VerificationFailed, match="nothing can follow the newest line"), opened_witness(path):
        pass
    assert path.read_bytes() == tail


def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "witness.jsonl"
    path.write_bytes(LINES[0].text() + b"\n")
    context = get_context("fork")
    process = context.Process(target=_append_beyond_the_limit, args=(path,))
    process.start()
    process.join(30)

    assert process.exitcode == 0
    assert path.read_bytes() == LINES[0].text() + b"\n"


def _append_beyond_the_limit(path: Path) -> None:
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = path.stat().st_size + 10
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        with opened_witness(path) as witness:
            witness.append(LINES[1:2])
    except OSError:
        os._exit(0)
    os._exit(1)


def test_the_next_digest_follows_the_newest_that_folder_or_witness_know() -> None:
    def number(found: object) -> int | None:
        return getattr(found, "sequence", None)

    nothing = follow([], None, witnessed=True)
    assert (nothing.previous, nothing.to_remember) == (None, ())
    both = follow(DIGESTS, LINES[-1], witnessed=True)
    assert (number(both.previous), both.to_remember) == (5, ())
    alone = follow([], LINES[-1], witnessed=True)
    assert alone.previous == both.previous
    without = follow(DIGESTS, None, witnessed=False)
    assert (without.previous, without.to_remember) == (both.previous, ())


@pytest.mark.parametrize("remembered", range(5))
def test_digests_that_the_witness_lacks_are_caught_up_on(remembered: int) -> None:
    tail = LINES[remembered - 1] if remembered else None
    found = follow(DIGESTS, tail, witnessed=True)

    assert [signed.digest.sequence for signed in found.to_remember] == list(range(remembered + 1, 6))
    assert [*LINES[:remembered], *lines_for(tail, found.to_remember)] == LINES


def test_a_folder_and_a_witness_that_do_not_fit_are_refused() -> None:
    other = digests_of(chain(5, salt="other"))

    with pytest.raises(VerificationFailed, match="the digests in the folder are others"):
        follow(other, LINES[2], witnessed=True)
    with pytest.raises(VerificationFailed, match="does not follow digest 2"):
        follow([*DIGESTS[:2], *DIGESTS[3:]], None, witnessed=False)
    with pytest.raises(VerificationFailed, match="does not follow digest 2"):
        follow([*DIGESTS[:2], *other[2:]], None, witnessed=False)
    with pytest.raises(VerificationFailed, match="others"):
        follow([digest_of(chain(5), DIGESTS[3])], LINES[1], witnessed=True)
