"""A digest's bytes: canonical, signed exactly as they are, refused when a single bit of them differs."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope

from batch_audit.digest.canonical import canonical, read_canonical
from batch_audit.digest.envelope import PAYLOAD_TYPE, Signed, read_file
from batch_audit.errors import UnknownFormatError, UnreadableError
from tests.support.digests import chain, digest_of, key, pem

BLOCKS = chain(1)
SIGNED = digest_of(BLOCKS, signer=key(1), batch_id="naïve \u2028 🙂")
UNSIGNED = digest_of(BLOCKS)

# RFC 8785, section 3.2.2 and 3.2.3.
VECTORS = {
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
    '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}': (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    ),
    '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",'
    '"\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}': (
        '{"\\r":"Carriage Return","1":"One","\x80":"Control","ö":"Latin Small Letter O With Diaeresis",'
        '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
    ),
}


@pytest.mark.parametrize(("text", "expected"), VECTORS.items())
def test_canonical_json_is_that_of_rfc_8785(text: str, expected: str) -> None:
    value = json.loads(text)

    assert canonical(value).decode() == expected
    assert read_canonical(expected.encode()) == value


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '{"b":1,"a":2}', '{"a":1,"a":1}',
     "1.0", "-0", '"\\u0041"', '{"a":1}\n', "[1e3]", "NaN", "[" * 100_000],
)  # fmt: skip
def test_json_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read_canonical(text.encode())


@pytest.mark.parametrize("signed", [SIGNED, UNSIGNED], ids=["signed", "unsigned"])
def test_a_digest_reads_back_as_it_was_written(signed: Signed) -> None:
    read = read_file(signed.file())

    assert read == signed
    assert read.digest.payload() == read.payload


def test_the_signature_is_dsse_over_the_exact_payload() -> None:
    envelope = json.loads(SIGNED.file())
    payload = base64.b64decode(envelope["payload"])
    authenticated = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])

    assert payload == SIGNED.payload
    # The primitive itself, without the envelope's library; it raises for a wrong signature.
    key(1)._private_key.public_key().verify(signature, authenticated)  # type: ignore[attr-defined]
    Envelope.from_dict(json.loads(SIGNED.file())).verify([key(1).public_key], 1)


def test_openssl_agrees_on_signature_and_key_id(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(pem(1))
    (tmp_path / "message").write_bytes(SIGNED.authenticated)
    (tmp_path / "signature").write_bytes(SIGNED.signature or b"")
    subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pub", "-rawin", "-in", "message",
         "-sigfile", "signature"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "key.pub", "-outform", "DER"], cwd=tmp_path, check=True,
        capture_output=True,
    ).stdout  # fmt: skip
    said = subprocess.run(
        ["openssl", "dgst", "-sha256", "-r"], input=der, check=True, capture_output=True
    ).stdout

    assert said.decode().split()[0] == SIGNED.digest.signed_by


def is_accepted(data: bytes) -> bool:
    try:
        return read_file(data).is_signed_by(key(1).public_key)
    except UnreadableError:
        return False


def test_one_flipped_bit_anywhere_in_a_signed_digest_is_refused() -> None:
    data = SIGNED.file()
    assert is_accepted(data)

    unseen = [
        (place, bit)
        for place in range(len(data))
        for bit in range(8)
        if is_accepted(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
    ]

    assert unseen == []


def test_a_digest_that_is_cut_or_longer_is_refused() -> None:
    data = SIGNED.file()

    assert [end for end in range(len(data)) if is_accepted(data[:end])] == []
    assert not is_accepted(data + b"\n") and not is_accepted(data + b" \n") and not is_accepted(b" " + data)


def envelope_of(change: Callable[[dict[str, object]], object]) -> bytes:
    value = json.loads(SIGNED.file())
    change(value)
    return canonical(value) + b"\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value["signatures"].clear(), "signatures were removed"),
        (
            lambda value: value["signatures"].append(value["signatures"][0]),
            "signatures were removed or added",
        ),
        (lambda value: value.update(extra=1), "has not the members"),
        (lambda value: value["signatures"][0].update(sig="AAAA"), "has 3 bytes"),
        (lambda value: value["signatures"][0].update(keyid="0" * 64), "another key"),
        (lambda value: value.update(payload=value["payload"].replace("=", "")), "base64"),
        (lambda value: value.update(payload=base64.b64encode(UNSIGNED.payload).decode()), "names no key"),
    ],
)
def test_a_signature_cannot_be_removed_doubled_or_moved(
    change: Callable[[dict[str, object]], object], reason: str
) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_file(envelope_of(change))


def test_another_format_is_said_to_be_unknown() -> None:
    statement = json.loads(SIGNED.payload)
    statement["predicate"]["format"] = "v2"
    newer = Signed(SIGNED.digest, canonical(statement), SIGNED.signature).file()

    with pytest.raises(UnknownFormatError, match="format 'v2'; known is"):
        read_file(newer)


@pytest.mark.parametrize(
    ("member", "value"),
    [("sequence", 0), ("sequence", True), ("sequence", 2), ("previous_digest", "f"), ("made_at", 1.5),
     ("sealed_rows", {})],
)  # fmt: skip
def test_a_payload_that_no_digest_can_have_is_refused(member: str, value: object) -> None:
    statement = json.loads(UNSIGNED.payload)
    statement["predicate"][member] = value

    with pytest.raises(UnreadableError):
        read_file(Signed(UNSIGNED.digest, canonical(statement)).file())


def test_the_subject_must_be_the_head() -> None:
    statement = json.loads(UNSIGNED.payload)
    statement["subject"][0]["digest"]["sha256"] = "0" * 64

    with pytest.raises(UnreadableError, match="subject"):
        read_file(Signed(UNSIGNED.digest, canonical(statement)).file())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.binary(max_size=400) | JSON.map(lambda value: canonical(value) + b"\n"))
def test_whatever_is_read_as_a_digest_gets_a_clear_error(data: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_file(data)

    assert str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 500


@given(st.data())
def test_a_digest_with_any_member_exchanged_is_refused_or_read_as_it_is(data: st.DataObject) -> None:
    """Every place of envelope and statement takes every kind of value."""
    value = json.loads(SIGNED.file())
    statement = json.loads(SIGNED.payload)
    outside = [value, value["signatures"][0]]
    inside = [
        statement,
        statement["predicate"],
        statement["predicate"]["store"],
        statement["predicate"]["head"],
    ]
    in_statement = data.draw(st.booleans())
    holder = data.draw(st.sampled_from(inside if in_statement else outside))
    name = data.draw(st.sampled_from(sorted(holder)))
    holder[name] = data.draw(JSON)
    if in_statement:
        value["payload"] = base64.b64encode(canonical(statement)).decode()
    changed = canonical(value) + b"\n"
    try:
        read = read_file(changed)
    except UnreadableError as error:
        assert str(error) and len(str(error)) < 500
    else:
        assert read.file() == changed
        assert read.payload == SIGNED.payload or not read.is_signed_by(key(1).public_key)
