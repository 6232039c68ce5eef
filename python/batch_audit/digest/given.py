"""What the command line gives as digests, witness, keys and authorities, read into one object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batch_audit.digest.folder import Given, files_of, read_digest
from batch_audit.digest.judge import Evidence
from batch_audit.digest.keys import public_pem_of
from batch_audit.digest.witness import Witness, read_witness
from batch_audit.errors import ConfigurationError


def evidence_of(
    digests: Sequence[Path], witness: Path | None, public_keys: Sequence[Path], authorities: Sequence[Path]
) -> Evidence | None:
    """All that was given; None if nothing was.

    Raises UnreadableError for a place without files or a key that is none, ConfigurationError for keys or
    authorities without a digest that they could check.
    """
    if not digests and (public_keys or authorities):
        raise ConfigurationError(
            "A public key or a timestamp authority checks digests, and none were given: add --digest."
        )
    if not digests and witness is None:
        return None
    given = [read_digest(file) for path in digests for file in files_of(path)] if digests else None
    return Evidence(
        digests=given,
        witness=_witness(witness) if witness else None,
        keys=tuple(public_pem_of(path).encode() for path in public_keys),
        timestamps=_timestamps(given or (), authorities),
    )


def _witness(path: Path) -> Witness:
    if path.exists() and not path.is_file():
        return Witness((), "it is not a file")
    try:
        with path.open("rb") as file:
            return read_witness(file)
    except OSError as error:
        return Witness((), f"it cannot be read: {error.strerror or error}")


def _timestamps(given: Sequence[Given], authorities: Sequence[Path]) -> dict[str, list[tuple[str, bool]]]:
    stamped = [item.signed for item in given if item.signed and item.signed.timestamps]
    if not stamped:
        return {}
    from batch_audit.digest.timestamp import read_authority, told

    roots = [read_authority(path) for path in authorities] or None
    return {
        signed.hash: [told(token, signed.authenticated, roots) for token in signed.timestamps]
        for signed in stamped
    }
