"""What the commands of digests and proofs say of files that are not what they should be: one message, no traceback."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from batch_audit.cli import cli
from batch_audit.digest.folder import read_digest
from batch_audit.digest.given import evidence_of
from batch_audit.errors import BatchAuditError, ConfigurationError, UnreadableError
from tests.support.digests import chain, digest_of, key, pem

SIGNED = digest_of(chain(1), signer=key(1))
JUNK = (
    b"",
    b"\n",
    b"{}",
    b"null\n",
    b"\xff\xfe\x00",
    b"[" * 5000 + b"\n",
    b"9" * 5000 + b"\n",
    b'{"a":1e999}\n',
    b"\x00" * 4096,
)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def error_of(result: Result) -> str:
    """The message that a person would see; anything else than an error for people fails."""
    assert isinstance(result.exception, BatchAuditError), result.exception
    assert result.exception.exit_code in (1, 2)
    return str(result.exception)


@pytest.mark.parametrize("junk", JUNK)
def test_a_proof_that_is_none_gets_one_message(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "proof").write_bytes(junk)

    said = error_of(invoke("verify-proof", tmp_path / "proof"))

    assert "is not a proof that can be checked" in said and len(said) < 600


@pytest.mark.parametrize("junk", JUNK)
def test_digests_witness_and_keys_that_are_none_are_named(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "x.json").write_bytes(junk)
    evidence = evidence_of([tmp_path], tmp_path / "x.json", [], [])

    assert evidence is not None and evidence.digests is not None and evidence.witness is not None
    assert evidence.digests[0].problem is not None
    assert evidence.witness.problem is not None or (junk == b"" and evidence.witness.lines == [])
    with pytest.raises(UnreadableError, match=r"The public key .*x\.json cannot be read"):
        evidence_of([tmp_path], None, [tmp_path / "x.json"], [])
    assert "cannot be read" in error_of(invoke("keys", "id", tmp_path / "x.json"))


def test_what_is_missing_or_no_file_is_named_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()

    assert str(read_digest(tmp_path / "pipe.json").problem) == "it is not a file"
    assert str(read_digest(tmp_path / "folder.json").problem) == "it is not a file"
    assert str(read_digest(tmp_path / "nothing.json").problem) == "No such file or directory"
    witnessed = evidence_of([], tmp_path / "pipe.json", [], [])
    assert witnessed is not None and witnessed.witness is not None
    assert witnessed.witness.problem == "it is not a file"
    assert "No such file" in error_of(invoke("verify-proof", tmp_path / "nothing"))
    assert "cannot be written" in error_of(invoke("keys", "new", "--out", tmp_path / "no" / "key.pem"))
    assert read_digest(Path("/dev/zero")).problem is not None


def refused(arguments: Sequence[str | Path], said: str) -> None:
    assert said in error_of(invoke(*arguments))


def test_options_that_make_no_sense_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(pem(1))
    (tmp_path / "key").write_text("junk")

    with pytest.raises(ConfigurationError, match="add --digest"):
        evidence_of([], None, [tmp_path / "key.pub"], [])
    assert evidence_of([], None, [], []) is None
    refused(["digest", "--next-key", tmp_path / "key.pub"], "sign that with the old one")
    refused(["digest", "--restored", " "], "needs a reason")
    refused(["digest", "--key", tmp_path / "key"], "no private key in PEM")


def test_a_new_key_is_made_and_its_id_is_told(tmp_path: Path) -> None:
    made = invoke("keys", "new", "--out", tmp_path / "key.pem")
    told = invoke("keys", "id", tmp_path / "key.pem.pub")

    assert (made.exit_code, told.exit_code) == (0, 0)
    assert told.stdout.strip() in made.stdout and len(told.stdout.strip()) == 64
    assert "never overwritten" in error_of(invoke("keys", "new", "--out", tmp_path / "key.pem"))
