"""Whether a proof can be believed: it holds, and its digest is one that the verifier has a reason to trust."""

from __future__ import annotations

from collections.abc import Sequence

from batch_audit.digest.envelope import Signed
from batch_audit.digest.keys import public_key
from batch_audit.errors import VerificationFailed
from batch_audit.proof.proof import Proof, problems


def check(proof: Proof, keys: Sequence[bytes], own_digests: Sequence[Signed]) -> str:
    """Why the proof can be believed, in words. `keys` are public keys (PEM), `own_digests` those of the verifier.

    Raises VerificationFailed if it cannot, UnreadableError if the proof or a key is none.
    """
    if wrong := next(problems(proof), None):
        raise VerificationFailed(f"The proof does not hold: {wrong}.")
    if proof.digest is None:
        raise VerificationFailed(
            "Nothing is proven: the event fits to the blocks that the proof brings along, and no digest vouches for"
            " these. Make the proof with `batch-audit prove --digest DIR`."
        )
    if any(proof.digest.hash == own.hash for own in own_digests):
        return f"its digest {proof.digest.digest.sequence} is one that you hold"
    if not keys:
        said = "You hold no digest that is in the proof. " if own_digests else ""
        raise VerificationFailed(
            f"Nothing is proven: {said}Without a public key nobody knows who made the digest."
            " Give --public-key, or a digest of your own with --digest."
        )
    trusted = [public_key(pem) for pem in keys]
    for key in trusted:
        if proof.digest.is_signed_by(key):
            return f"its digest {proof.digest.digest.sequence} is signed by key {key.keyid}"
    signer = proof.digest.digest.signed_by
    if signer in {key.keyid for key in trusted}:
        raise VerificationFailed(
            f"The proof is forged: the signature of its digest is not one of key {signer}."
        )
    who = f"signed by key {signer}, which you did not give" if signer else "not signed"
    raise VerificationFailed(f"Nothing is proven: the digest in the proof is {who}.")
