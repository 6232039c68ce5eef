"""Whose word the digests are: a chain of trust from the keys that the verifier was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batch_audit.digest.envelope import Signed
from batch_audit.digest.keys import public_key
from batch_audit.errors import UnreadableError
from batch_audit.ledger.damage import Damage

DIGEST = "digest"
"""What stands for a table in damages to digests."""


@dataclass
class Trust:
    """Numbers of digests by what vouches for them; `damages` to those that should be signed and are not."""

    signed: list[int] = field(default_factory=list)
    vouched: list[int] = field(default_factory=list)
    unsigned: list[int] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)


def trust_in(digests: Sequence[tuple[str, Signed]], pems: Sequence[bytes]) -> Trust:
    """Judge the signatures of digests (with their files' names), which are in their order and linked by hashes.

    From the first digest that one of the given keys signed, each must be signed by the key that the one before
    names (`next_key`, else its own). Those before that first one are vouched for by the hash that it holds.

    Raises UnreadableError for a given key that is none.
    """
    trust = Trust()
    if not pems:
        trust.unsigned = [signed.digest.sequence for _, signed in digests]
        if named := [name for name, signed in digests if signed.signature is not None]:
            detail = f"{len(named)} digests are signed, {named[0]} the first; give the public key with --public-key"
            trust.damages.append(Damage("key_missing", DIGEST, detail=detail))
        return trust
    given = {key.keyid: pem for pem, key in ((pem, public_key(pem)) for pem in pems)}
    expected: Mapping[str, bytes] = given
    for name, signed in digests:
        began = bool(trust.signed or trust.damages)
        if not began and signed.digest.signed_by not in given:
            trust.vouched.append(signed.digest.sequence)
            continue
        problem = _problem(signed, expected)
        if problem is None:
            trust.signed.append(signed.digest.sequence)
            expected, problem = _after(signed, expected)
        if problem is not None:
            trust.damages.append(damage_of(problem[0], name, signed, problem[1]))
    _nobody(trust, digests, given)
    return trust


def _nobody(trust: Trust, digests: Sequence[tuple[str, Signed]], given: Mapping[str, bytes]) -> None:
    """No digest is signed by a given key: then none is vouched for either."""
    if trust.signed or not digests:
        return
    if not trust.damages:
        name, newest = digests[-1]
        kind = "digest_unsigned" if newest.signature is None else "digest_untrusted"
        said = (
            "it has no signature"
            if newest.signature is None
            else f"it is signed by key {newest.digest.signed_by}"
        )
        trust.damages.append(damage_of(kind, name, newest, f"{said}; given is {', '.join(given)}"))
    trust.unsigned, trust.vouched = trust.vouched, []


def _problem(signed: Signed, expected: Mapping[str, bytes]) -> tuple[str, str] | None:
    keyid = signed.digest.signed_by
    if keyid is None:
        return "digest_unsigned", f"it has no signature; expected is one of key {', '.join(expected)}"
    if keyid not in expected:
        return "digest_untrusted", f"it is signed by key {keyid}; expected is key {', '.join(expected)}"
    if not signed.is_signed_by(public_key(expected[keyid])):
        return "digest_forged", f"its signature is not one of key {keyid} over what it says"
    return None


def _after(
    signed: Signed, expected: Mapping[str, bytes]
) -> tuple[Mapping[str, bytes], tuple[str, str] | None]:
    """The key that signs the next digest, and what is wrong with it."""
    keyid, pem = signed.digest.signed_by or "", signed.digest.next_key
    if pem is None:
        return {keyid: expected[keyid]}, None
    try:
        return {public_key(pem.encode()).keyid: pem.encode()}, None
    except UnreadableError as error:
        return {}, ("digest_unreadable", f"the next key that it names cannot be read: {error}")


def damage_of(kind: str, name: str, signed: Signed, detail: str) -> Damage:
    """A damage that a digest shows, at the block that it speaks of."""
    said = f"digest {signed.digest.sequence} ({name}): {detail}"
    return Damage(kind, DIGEST, block_no=signed.digest.head.block_no, detail=said)
