"""Which digest the next one follows: decided from the digests in a folder and the newest line of the witness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from batch_audit.digest.envelope import Signed
from batch_audit.digest.witness import Line, next_line
from batch_audit.errors import VerificationFailed


@dataclass(frozen=True)
class Previous:
    """The digest before, as folder or witness know it; `next_signer` is the id of the key that signs the next one."""

    sequence: int
    digest: str
    block_no: int
    block_hash: str
    made_at: int
    incarnation: int
    next_signer: str | None


@dataclass(frozen=True)
class Next:
    """`previous` is None for the first digest; `to_remember` are digests that the witness lacks, oldest first."""

    previous: Previous | None
    to_remember: tuple[Signed, ...] = ()


def follow(in_folder: Sequence[Signed], tail: Line | None, *, witnessed: bool) -> Next:
    """What the next digest follows. `tail` is the newest line of the witness, `witnessed` whether there is one.

    A run that died between the digest and the witness left a digest that the witness lacks; it is caught up on.

    Raises VerificationFailed where the digests, or they and the witness, do not fit together.
    """
    digests = sorted(in_folder, key=lambda signed: signed.digest.sequence)
    for before, after in pairwise(digests):
        if (after.digest.sequence, after.digest.previous_digest) != (before.digest.sequence + 1, before.hash):
            raise VerificationFailed(
                f"No digest was written: digest {after.digest.sequence} does not follow digest"
                f" {before.digest.sequence}, the one before it in the folder. One was removed, changed or added:"
                " `batch-audit verify --digest` says what is wrong."
            )
    newest = digests[-1] if digests else None
    if tail is None or (newest is not None and newest.digest.sequence >= tail.sequence):
        missing = tuple(
            signed for signed in digests if tail is None or signed.digest.sequence > tail.sequence
        )
        if tail is not None:
            _check_tail(digests, tail)
        return Next(_of(newest), missing if witnessed else ())
    return Next(_of_line(tail))


def _check_tail(digests: Sequence[Signed], tail: Line) -> None:
    """The digest of the tail's number is the one that the tail remembers, or the next one follows it."""
    same = {signed.digest.sequence: signed.hash for signed in digests}
    follows = {signed.digest.sequence - 1: signed.digest.previous_digest for signed in digests}
    if tail.digest != same.get(tail.sequence, follows.get(tail.sequence)):
        raise VerificationFailed(
            f"No digest was written: the newest line of the witness remembers digest {tail.sequence} as {tail.digest},"
            " and the digests in the folder are others. Folder and witness belong to different stores, or one of"
            " them was replaced: `batch-audit verify --digest … --witness …` says what is wrong."
        )


def _of(signed: Signed | None) -> Previous | None:
    return None if signed is None else _of_line(next_line(None, signed))


def _of_line(line: Line) -> Previous:
    return Previous(
        line.sequence,
        line.digest,
        line.block_no,
        line.block_hash,
        line.made_at,
        line.incarnation,
        line.next_signer,
    )
