"""RFC 3161 timestamps, by an authority that runs here: attached, checked, and refused where they are another's."""

from dataclasses import replace
from pathlib import Path

import pytest

from batch_audit.digest.envelope import Signed, read_file
from batch_audit.digest.folder import write_digest
from batch_audit.digest.given import evidence_of
from batch_audit.digest.judge import OnRecord, judge_digests
from batch_audit.digest.timestamp import read_authority, token_from, told
from batch_audit.errors import ConfigurationError, EvidenceIncomplete, UnreadableError
from tests.support.digests import chain, digest_of, key, pem
from tests.support.timestamp_authority import Authority, authority

BLOCKS = chain(1)


def stamped(at: Authority, signed: Signed) -> Signed:
    return replace(signed, timestamps=(token_from(at.url, signed.authenticated),))


def test_a_timestamp_is_attached_kept_and_checked(tmp_path: Path) -> None:
    with authority(tmp_path / "tsa") as at, authority(tmp_path / "other") as other:
        signed = stamped(at, digest_of(BLOCKS, signer=key(1)))
        second = stamped(at, digest_of(BLOCKS, signed, key(1)))
    assert read_file(signed.file()) == signed
    (tmp_path / "key.pub").write_bytes(pem(1))
    write_digest(tmp_path / "digest.json", signed)

    def judged(*roots: Path) -> tuple[list[str], tuple[str, ...]]:
        evidence = evidence_of([tmp_path / "digest.json"], None, [tmp_path / "key.pub"], roots)
        assert evidence is not None
        result = judge_digests(evidence, OnRecord(BLOCKS))
        return [damage.kind for damage in result.damages], result.coverage.timestamps

    kinds, said = judged(at.root)
    assert kinds == [] and said[0].startswith("digest 1: the authority saw it at 20")
    assert judged() == (
        [],
        ("digest 1: its timestamp is not checked: no authority was given (--timestamp-ca)",),
    )
    assert judged(other.root) == (["timestamp_invalid"], ())
    # A timestamp of another digest is none of this one.
    (tmp_path / "digest.json").unlink()
    write_digest(tmp_path / "digest.json", replace(signed, timestamps=second.timestamps))
    assert judged(at.root)[0] == ["timestamp_invalid"]


def test_a_token_with_a_flipped_bit_never_vouches_for_another_time(tmp_path: Path) -> None:
    with authority(tmp_path / "tsa") as at:
        token = token_from(at.url, b"data")
    roots = [read_authority(at.root)]
    said, damaged = told(token, b"data", roots)
    assert not damaged
    for place in range(0, len(token), 7):
        changed = token[:place] + bytes([token[place] ^ 4]) + token[place + 1 :]
        now_said, now_damaged = told(changed, b"data", roots)
        assert now_damaged or now_said == said, place


def test_an_authority_that_answers_wrongly_or_not_gives_no_timestamp(tmp_path: Path) -> None:
    with authority(tmp_path / "tsa", broken=True) as at:
        token_from(at.url, b"first")
        with pytest.raises(EvidenceIncomplete, match="it answered another request"):
            token_from(at.url, b"second")
    with pytest.raises(EvidenceIncomplete, match="gave no timestamp"):
        token_from(at.url, b"nobody listens any more")
    with pytest.raises(ConfigurationError, match="http or https"):
        token_from("file:///etc/passwd", b"data")
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(UnreadableError, match="holds no certificate"):
        read_authority(tmp_path / "junk.pem")
