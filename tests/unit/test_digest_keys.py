"""Keys are private, encrypted on request, and a wrong one gets an error that says nothing of what it holds."""

import stat
import subprocess
from pathlib import Path

import pytest

from batch_audit.digest.keys import PASSPHRASE, new_key, public_key, read_public_key, signer
from batch_audit.errors import ConfigurationError, UnreadableError
from tests.support.digests import chain, digest_of


def test_a_new_key_is_for_its_owner_alone_and_signs(tmp_path: Path) -> None:
    key_id, public = new_key(tmp_path / "key.pem", None)

    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    signed = digest_of(chain(1), signer=signer(str(tmp_path / "key.pem"), {}))
    assert signed.digest.signed_by == key_id == read_public_key(public).keyid
    assert signed.is_signed_by(read_public_key(public))
    with pytest.raises(ConfigurationError, match="never overwritten"):
        new_key(tmp_path / "key.pem", None)


def test_an_encrypted_key_needs_its_passphrase_and_may_come_as_text(tmp_path: Path) -> None:
    key_id, _ = new_key(tmp_path / "key.pem", "correct horse")
    text = (tmp_path / "key.pem").read_text()

    assert "ENCRYPTED" in text
    for given in (str(tmp_path / "key.pem"), text):
        assert signer(given, {PASSPHRASE: "correct horse"}).public_key.keyid == key_id
        for environment in ({}, {PASSPHRASE: ""}, {PASSPHRASE: "wrong horse"}):
            with pytest.raises(ConfigurationError, match=f"set {PASSPHRASE} to its passphrase") as caught:
                signer(given, environment)
            assert "horse" not in str(caught.value) and text.splitlines()[1] not in str(caught.value)


def test_a_passphrase_for_a_key_without_one_does_no_harm(tmp_path: Path) -> None:
    key_id, _ = new_key(tmp_path / "key.pem", None)

    assert signer(str(tmp_path / "key.pem"), {PASSPHRASE: "correct horse"}).public_key.keyid == key_id


def test_a_key_of_another_kind_or_no_key_is_refused(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "junk").write_bytes(b"\xff\x00junk")

    with pytest.raises(ConfigurationError, match="not an Ed25519 key"):
        signer(str(tmp_path / "ec.pem"), {})
    with pytest.raises(ConfigurationError, match="no private key in PEM"):
        signer(str(tmp_path / "junk"), {})
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        signer(str(tmp_path / "nothing"), {})
    with pytest.raises(UnreadableError, match=r"give the file that ends with \.pub"):
        public_key((tmp_path / "ec.pem").read_bytes())
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_public_key(tmp_path / "nothing")


def test_openssl_makes_keys_that_sign(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem"], cwd=tmp_path, check=True,
        capture_output=True,
    )  # fmt: skip

    made = signer(str(tmp_path / "key.pem"), {})

    assert digest_of(chain(1), signer=made).is_signed_by(made.public_key)
