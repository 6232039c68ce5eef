"""Ed25519 keys in PEM files, by the library `cryptography` (RFC 8032, RFC 8410)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batch_audit.durable import PRIVATE_FILE, sync_folder
from batch_audit.errors import ConfigurationError, UnreadableError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.signer import CryptoSigner, SSlibKey

PASSPHRASE: Final = "BATCH_AUDIT_KEY_PASSPHRASE"  # noqa: S105 (a variable's name)
_LARGEST: Final = 64 << 10


def new_key(path: Path, passphrase: str | None) -> tuple[str, Path]:
    """Write a new private key, encrypted with the passphrase if there is one, and its public key beside it.

    Gives the key's id and the public key's path.

    Raises ConfigurationError if a file is there already or cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    public_path = path.with_name(f"{path.name}.pub")
    for there in (path, public_path):
        if there.exists():
            raise ConfigurationError(
                f"{there} is there already. A key is never overwritten: give another name."
            )
    try:
        _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), PRIVATE_FILE)
        _write_new(public_path, public_pem(key.public_key()).encode(), 0o644)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigurationError(f"The key cannot be written: {error}.") from error
    return key_id(key.public_key()), public_path


def signer(given: str, environment: Mapping[str, str]) -> CryptoSigner:
    """The private key in a PEM file, or in the text itself when that is PEM, as CI passes secrets.

    Raises ConfigurationError; no message holds any part of the key or the passphrase.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner, SSlibKey

    name = "the key in BATCH_AUDIT_KEY" if _is_pem(given) else f"the key {given}"
    passphrase = environment.get(PASSPHRASE) or None
    pem = given.encode() if _is_pem(given) else _read(Path(given))
    try:
        key = load_pem_private_key(pem, passphrase.encode() if passphrase and _encrypted(pem) else None)
    except (ValueError, TypeError, UnicodeError) as error:
        why = (
            f"it is encrypted: set {PASSPHRASE} to its passphrase"
            if _encrypted(pem)
            else "it is no private key in PEM"
        )
        raise ConfigurationError(f"Cannot read {name}: {why}.") from error
    except Exception as error:  # the library's own errors for kinds of keys that it does not know
        raise ConfigurationError(f"Cannot read {name}: {type(error).__name__}.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"Cannot sign with {name}: it is not an Ed25519 key. Make one: batch-audit keys new."
        )
    public = key.public_key()
    return CryptoSigner(key, SSlibKey.from_crypto(public, key_id(public)))


def public_key(pem: bytes) -> SSlibKey:
    """The public key in a PEM text. Raises UnreadableError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        key = load_pem_public_key(pem)
    except Exception as error:  # ValueError, and the library's own for kinds of keys that it does not know
        hint = ": it holds a private key, give the file that ends with .pub" if b"PRIVATE" in pem else ""
        raise UnreadableError(f"it is not a public key in PEM{hint}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnreadableError("it is not an Ed25519 key")
    return SSlibKey.from_crypto(key, key_id(key))


def read_public_key(path: Path) -> SSlibKey:
    """The public key in a file. Raises UnreadableError that names the file."""
    try:
        return public_key(_read(path))
    except (UnreadableError, ConfigurationError) as error:
        raise UnreadableError(f"The public key {path} cannot be read: {error}.") from error


def public_pem_of(path: Path) -> str:
    """The text of a public key's file, once it is known to be one. Raises UnreadableError that names the file."""
    read_public_key(path)
    return _read(path).decode("ascii")


def public_pem(key: Ed25519PublicKey) -> str:
    """The key as PEM (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key_id(key: Ed25519PublicKey) -> str:
    """The SHA-256 of the key's DER: `openssl pkey -pubin -in FILE -outform DER | sha256sum` gives it, too."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _is_pem(given: str) -> bool:
    return given.lstrip().startswith("-----BEGIN")


def _encrypted(pem: bytes) -> bool:
    return b"ENCRYPTED" in pem


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
