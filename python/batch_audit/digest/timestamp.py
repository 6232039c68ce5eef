"""RFC 3161 timestamps: an authority's word that bytes existed at a time. The library `rfc3161-client` does the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from batch_audit.errors import ConfigurationError, EvidenceIncomplete, UnreadableError

_TIMEOUT_S: Final = 20
_LARGEST: Final = 1 << 20
_INSTALL: Final = (
    "Timestamps need rfc3161-client, which is not installed: pip install 'dbt-batch-audit[timestamp]'."
)


def token_from(url: str, data: bytes) -> bytes:
    """The response of the authority at `url` for the SHA-256 of `data`, DER encoded.

    Raises EvidenceIncomplete if it does not answer or refuses, ConfigurationError without the library.
    """
    client = _client()
    import http.client
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"The timestamp authority must be an http or https URL: {url!r} is none.")
    request = client.TimestampRequestBuilder().data(data).hash_algorithm(client.HashAlgorithm.SHA256)
    body = request.nonce(nonce=True).cert_request(cert_request=True).build()
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        post = urllib.request.Request(url, body.as_bytes(), headers)  # noqa: S310 (http and https alone, see above)
        with urllib.request.urlopen(post, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            answered: bytes = answer.read(_LARGEST)
        response = client.decode_timestamp_response(answered)
        granted = response.status in (client.PKIStatus.GRANTED, client.PKIStatus.GRANTED_WITH_MODS)
        ours = granted and response.tst_info.nonce == body.nonce
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EvidenceIncomplete(f"The timestamp authority gave no timestamp: {error}.") from error
    if not ours:
        why = "it answered another request" if granted else f"it refused with status {response.status}"
        raise EvidenceIncomplete(f"The timestamp authority gave no timestamp: {why}.")
    return answered


def told(token: bytes, data: bytes, authorities: Sequence[bytes] | None) -> tuple[str, bool]:
    """What a token is worth, and whether it is damage. `authorities` are root certificates (PEM), None: none given."""
    if authorities is None:
        return "its timestamp is not checked: no authority was given (--timestamp-ca)", False
    from cryptography.x509 import load_pem_x509_certificates

    client = _client()
    try:
        builder = client.VerifierBuilder()
        for pem in authorities:
            for certificate in load_pem_x509_certificates(pem):
                builder = builder.add_root_certificate(certificate)
        response = client.decode_timestamp_response(token)
        builder.build().verify_message(response, data)
        made = response.tst_info.gen_time
    except Exception as error:  # ValueError, VerificationError, and whatever else a hostile token provokes
        return f"its timestamp is not one of the given authority over it ({error})", True
    return f"the authority saw it at {made.isoformat()}", False


def read_authority(path: Path) -> bytes:
    """The authority's certificates in a PEM file. Raises UnreadableError for a file that holds none."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        with path.open("rb") as file:
            pem = file.read(_LARGEST)
        load_pem_x509_certificates(pem)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path} holds no certificate in PEM: {error}.") from error
    return pem


def _client() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise ConfigurationError(_INSTALL) from error
    return rfc3161_client
