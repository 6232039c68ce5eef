"""Digests in DSSE envelopes: signing, reading, checking a signature (DSSE v1, github.com/secure-systems-lab/dsse)."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from batch_audit.digest.canonical import canonical, members, read_canonical
from batch_audit.digest.digest import Digest, read_payload
from batch_audit.errors import UnknownFormatError, UnreadableError

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True)
class Signed:
    """A digest and the exact bytes that were signed; `signature` is None for an unsigned one.

    `timestamps` are RFC 3161 tokens over the DSSE pre-authentication encoding. The signature does not cover them.
    """

    digest: Digest
    payload: bytes
    signature: bytes | None = None
    timestamps: tuple[bytes, ...] = ()

    @cached_property
    def hash(self) -> str:
        """What the next digest and the witness call it: the SHA-256 of the payload."""
        return sha256(self.payload).hexdigest()

    @property
    def next_signer(self) -> str | None:
        """The id of the key that signs the next digest, None if nobody does. Raises UnreadableError for no key."""
        from batch_audit.digest.keys import public_key

        pem = self.digest.next_key
        return self.digest.signed_by if pem is None else str(public_key(pem.encode()).keyid)

    @property
    def authenticated(self) -> bytes:
        """The bytes that are signed and timestamped (DSSE, pre-authentication encoding)."""
        encoded: bytes = self._envelope().pae()
        return encoded

    def is_signed_by(self, key: SSlibKey) -> bool:
        """Whether the signature is that of the key over exactly these bytes."""
        from securesystemslib.exceptions import VerificationError

        if self.digest.signed_by != key.keyid or self.signature is None:
            return False
        try:
            self._envelope().verify([key], 1)
        except VerificationError:
            return False
        return True

    def as_json(self) -> dict[str, Any]:
        """The envelope as plain values."""
        value: dict[str, Any] = self._envelope().to_dict()
        if self.timestamps:
            value["timestamps"] = [{"rfc3161": b64encode(token).decode()} for token in self.timestamps]
        return value

    def file(self) -> bytes:
        """The envelope as it is kept: canonical JSON and a line break."""
        return canonical(self.as_json()) + b"\n"

    def _envelope(self) -> Envelope:
        from securesystemslib.dsse import Envelope
        from securesystemslib.signer import Signature

        keyid = self.digest.signed_by or ""
        signatures = {} if self.signature is None else {keyid: Signature(keyid, self.signature.hex())}
        return Envelope(self.payload, PAYLOAD_TYPE, signatures)


def sign(digest: Digest, signer: CryptoSigner | None) -> Signed:
    """The digest in an envelope, signed if there is a signer, whose key the digest must name in `signed_by`."""
    unsigned = Signed(digest, digest.payload())
    if signer is None:
        return unsigned
    signature = signer.sign(unsigned.authenticated)
    return Signed(digest, unsigned.payload, bytes.fromhex(signature.signature))


def read_file(data: bytes) -> Signed:
    """The digest that a file holds. Its signature is not yet checked.

    Raises UnknownFormatError or UnreadableError, as `read_payload` does.
    """
    if not data.endswith(b"\n"):
        raise UnreadableError("it does not end with a line break: it was cut, or is something else")
    return read_envelope(read_canonical(data[:-1]))


def read_envelope(value: Any) -> Signed:
    """The digest in an envelope that is given as plain values; see `read_file`."""
    kinds: dict[str, Any] = {"payload": str, "payloadType": str, "signatures": list}
    if isinstance(value, dict) and "timestamps" in value:
        kinds["timestamps"] = list
    envelope = members(value, "the envelope", **kinds)
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise UnknownFormatError(
            f"its payload is of type {envelope['payloadType']!r:.120}, known is {PAYLOAD_TYPE!r}"
        )
    payload = _bytes(envelope["payload"], "payload")
    digest = read_payload(payload)
    tokens = [members(item, "a timestamp", rfc3161=str)["rfc3161"] for item in envelope.get("timestamps", ())]
    stamps = tuple(_bytes(token, "timestamp") for token in tokens)
    return Signed(digest, payload, _signature(envelope["signatures"], digest), stamps)


def _signature(given: list[Any], digest: Digest) -> bytes | None:
    """The one signature of a digest that names its key, none of one that does not."""
    if len(given) != (0 if digest.signed_by is None else 1):
        said = "no key" if digest.signed_by is None else f"the key {digest.signed_by}"
        raise UnreadableError(
            f"it has {len(given)} signatures and names {said}: signatures were removed or added"
        )
    if not given:
        return None
    signature = members(given[0], "the signature", keyid=str, sig=str)
    if signature["keyid"] != digest.signed_by:
        raise UnreadableError("its signature is of another key than the one that it names")
    found = _bytes(signature["sig"], "signature")
    if len(found) != _SIGNATURE_BYTES:
        raise UnreadableError(f"its signature has {len(found)} bytes, one of Ed25519 has {_SIGNATURE_BYTES}")
    return found


def _bytes(text: str, what: str) -> bytes:
    """Base64 in its one canonical spelling: others would let bits change unseen."""
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise UnreadableError(f"its {what} is not base64 ({error})") from error
    if b64encode(data).decode() != text:
        raise UnreadableError(f"its {what} is not base64 in its canonical spelling")
    return data
