"""The judgement of digests and witness: against each other and against the chain on record. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from batch_audit.digest.canonical import shown
from batch_audit.digest.coverage import DigestCoverage, DigestResult
from batch_audit.digest.envelope import Signed
from batch_audit.digest.folder import Given
from batch_audit.digest.trust import DIGEST, damage_of, trust_in
from batch_audit.digest.witness import Line, Witness
from batch_audit.errors import UnknownFormatError
from batch_audit.ledger.block import Block
from batch_audit.ledger.damage import Damage
from batch_audit.warehouses.incarnation import UNKNOWN

WITNESS = "witness"
"""What stands for a table in damages to the witness."""


@dataclass(frozen=True)
class Evidence:
    """What the verifier brought along: digests (None: none were given), a witness, public keys (PEM texts).

    `timestamps` says what the tokens of digests are worth, by the digest's hash: the words, and whether it is damage.
    """

    digests: Sequence[Given] | None = None
    witness: Witness | None = None
    keys: Sequence[bytes] = ()
    timestamps: Mapping[str, Sequence[tuple[str, bool]]] = field(default_factory=dict)


@dataclass(frozen=True)
class OnRecord:
    """What the store says: its blocks by number, what the database says of itself, the newest block of each batch."""

    blocks: Sequence[Block]
    identity: str | None = None
    batches: Mapping[str, int] = field(default_factory=dict)


def judge_digests(evidence: Evidence, store: OnRecord) -> DigestResult:
    """Compare digests and witness with each other and with the blocks on record.

    Raises UnreadableError for a public key that is none.
    """
    damages: list[Damage] = list(_unreadable(evidence))
    ordered, forks = _in_order(evidence.digests or ())
    damages += forks
    damages += [damage for before, after in pairwise(ordered) for damage in _links(before, after)]
    trust = trust_in(ordered, evidence.keys)
    damages += trust.damages
    lines = evidence.witness.lines if evidence.witness else ()
    damages += _against_witness(ordered, lines, evidence.digests is not None)
    heads, lost = _heads(ordered, lines, store)
    damages += heads
    damages += _timestamp_damages(ordered, evidence)
    newest_block = max(
        [signed.digest.head.block_no for _, signed in ordered] + [line.block_no for line in lines],
        default=None,
    )
    digests = [signed.digest for _, signed in ordered]
    coverage = DigestCoverage(
        digests=len(ordered), signed=len(trust.signed), vouched=len(trust.vouched), unsigned=len(trust.unsigned),
        first=digests[0].sequence if digests else None, newest=digests[-1].sequence if digests else None,
        newest_block=newest_block,
        blocks_after=sum(block.block_no > (newest_block or 0) for block in store.blocks),
        witness_lines=None if evidence.witness is None else len(lines),
        batches_without=_without(ordered, store),
        moves=tuple(_moves(ordered, store)),
        restores=tuple(f"digest {digest.sequence}: {shown(digest.restored)}" for digest in digests if digest.restored),
        lost_digests=lost,
        timestamps=tuple(_timestamps_told(ordered, evidence)),
    )  # fmt: skip
    return DigestResult(coverage, damages)


Named = tuple[str, Signed]
"""A digest with the name of its file."""


def _unreadable(evidence: Evidence) -> Iterator[Damage]:
    for given in evidence.digests or ():
        if given.problem is not None:
            unknown = isinstance(given.problem, UnknownFormatError)
            kind = "digest_unknown_format" if unknown else "digest_unreadable"
            yield Damage(kind, DIGEST, detail=f"{given.name}: {given.problem}")
    if evidence.digests is not None and not evidence.digests:
        yield Damage("no_digest", DIGEST, detail="no file was found where digests were said to be")
    if evidence.witness is not None:
        if evidence.witness.problem is not None:
            yield Damage("witness_broken", WITNESS, detail=evidence.witness.problem)
        elif not evidence.witness.lines:
            yield Damage("no_digest", WITNESS, detail="the witness is empty")


def _in_order(given: Sequence[Given]) -> tuple[list[Named], list[Damage]]:
    """The readable digests by their number, each once; two that have the same number are a fork."""
    found: dict[int, Named] = {}
    forks = []
    for item in given:
        if item.signed is None:
            continue
        name, signed = item.name, item.signed
        other_name, other = found.setdefault(signed.digest.sequence, (name, signed))
        if other.hash != signed.hash:
            forks.append(
                damage_of("digest_forked", name, signed, f"{other_name} is another digest of this number")
            )
    return [found[number] for number in sorted(found)], forks


def _links(before: Named, after: Named) -> Iterator[Damage]:
    """What is wrong between a digest and the next one that was given."""
    first, (name, second) = before[1], after
    was, now = first.digest, second.digest
    if now.sequence > was.sequence + 1:
        missing = f"digests {was.sequence + 1} to {now.sequence - 1} are" if now.sequence > was.sequence + 2 else (
            f"digest {was.sequence + 1} is"
        )  # fmt: skip
        yield Damage("digest_missing", DIGEST, block_no=was.head.block_no, detail=f"{missing} not there")
    elif now.previous_digest != first.hash:
        yield damage_of(
            "digest_forked", name, second, f"it follows {now.previous_digest}, {before[0]} is {first.hash}"
        )
    kept = now.store.incarnation == was.store.incarnation and now.restored is None
    if not kept and (now.store.incarnation != was.store.incarnation + 1 or now.restored is None):
        yield damage_of(
            "digest_misordered", name, second, "it is of another incarnation and states no restore"
        )
    elif kept and now.head.block_no < was.head.block_no:
        detail = f"it speaks of block {now.head.block_no}, the digest before it of block {was.head.block_no}"
        yield damage_of("digest_misordered", name, second, detail)
    if now.made_at < was.made_at:
        yield damage_of("digest_misordered", name, second, "it is older than the digest before it")


def _against_witness(ordered: Sequence[Named], lines: Sequence[Line], given: bool) -> Iterator[Damage]:
    if not lines or not given:
        return
    remembered = {line.sequence: line for line in lines}
    for name, signed in ordered:
        line = remembered.get(signed.digest.sequence)
        if line is not None and line.digest != signed.hash:
            detail = f"line {line.line} of the witness remembers {line.digest}, this is {signed.hash}"
            yield damage_of("witness_contradicted", name, signed, detail)
    newest = ordered[-1][1].digest.sequence if ordered else 0
    if lines[-1].sequence > newest:
        later = [line for line in lines if line.sequence > newest]
        detail = (
            f"it remembers digests {later[0].sequence} to {later[-1].sequence}; the newest given is {newest}"
        )
        yield Damage("digest_replayed", WITNESS, block_no=later[0].block_no, detail=detail)
    elif lines[-1].sequence < newest:
        detail = f"its last line remembers digest {lines[-1].sequence}; the newest given is {newest}"
        yield Damage("witness_cut", WITNESS, block_no=lines[-1].block_no, detail=detail)


def _heads(
    ordered: Sequence[Named], lines: Sequence[Line], store: OnRecord
) -> tuple[list[Damage], tuple[int, ...]]:
    """Each vouched head against the block on record; and the digests whose head a stated restore took away."""
    hashes = {block.block_no: block.block_hash for block in store.blocks}
    counts = _counts(store.blocks, {signed.digest.head.block_no for _, signed in ordered})
    restores = [signed.digest.sequence for _, signed in ordered if signed.digest.restored is not None]
    damages: list[Damage] = []
    lost: list[int] = []
    for name, signed in ordered:
        digest, head = signed.digest, signed.digest.head
        found = hashes.get(head.block_no)
        if 1 in hashes and digest.store.genesis != hashes[1]:
            detail = f"its chain begins with {digest.store.genesis}, this one with {hashes[1]}"
            damages.append(damage_of("digest_of_another_store", name, signed, detail))
        elif found != head.block_hash and any(number > digest.sequence for number in restores):
            lost.append(digest.sequence)
        elif found != head.block_hash:
            kind = _head_damage(found, digest.store.identity, store)
            damages.append(damage_of(kind, name, signed, _head_detail(head.block_hash, found, store)))
        elif counts.get(head.block_no) != dict(digest.sealed_rows):
            detail = f"it counts {dict(digest.sealed_rows)}, the blocks count {counts.get(head.block_no)}"
            damages.append(damage_of("digest_wrong_counts", name, signed, detail))
    known = {signed.digest.sequence for _, signed in ordered}
    for line in lines:
        found = hashes.get(line.block_no)
        excused = any(number > line.sequence for number in restores)
        if found != line.block_hash and line.sequence not in known and not excused:
            said = f"line {line.line} (digest {line.sequence}): {_head_detail(line.block_hash, found, store)}"
            kind = _head_damage(found, None, store)
            damages.append(Damage(kind, WITNESS, block_no=line.block_no, detail=said))
    return damages, tuple(lost)


def _head_damage(found: str | None, identity: str | None, store: OnRecord) -> str:
    if found is not None:
        return "chain_rewritten"
    return "store_restored" if _differ(identity, store.identity) else "tail_truncated"


def _differ(was: str | None, now: str | None) -> bool:
    """Whether two identities differ in a part that both know: not every login may ask for all of them."""
    if was is None or now is None:
        return False
    parts = list(zip_longest(was.split(", "), now.split(", "), fillvalue=""))
    return any(before != after for before, after in parts if UNKNOWN not in f"{before}{after}")


def _head_detail(expected: str, found: str | None, store: OnRecord) -> str:
    newest = store.blocks[-1].block_no if store.blocks else 0
    return f"its block is {expected}; " + (
        f"the store ends with block {newest}" if found is None else f"on record is {found}"
    )


def _counts(blocks: Sequence[Block], wanted: set[int]) -> dict[int, dict[str, int]]:
    """The sealed rows by table up to each of the wanted blocks."""
    running: dict[str, int] = {}
    counts = {}
    for block in blocks:
        running[block.table_name] = running.get(block.table_name, 0) + (block.leaf_count or 0)
        if block.block_no in wanted:
            counts[block.block_no] = dict(running)
    return counts


def _without(ordered: Sequence[Named], store: OnRecord) -> tuple[str, ...]:
    """The batches sealed since the first digest that no digest names, in the order of their newest blocks."""
    if not ordered:
        return ()
    named = {signed.digest.batch_id for _, signed in ordered}
    first = ordered[0][1].digest.head.block_no
    late = sorted(
        (block, batch) for batch, block in store.batches.items() if block > first and batch not in named
    )
    return tuple(batch for _, batch in late)


def _moves(ordered: Sequence[Named], store: OnRecord) -> Iterator[str]:
    seen = [(f"digest {signed.digest.sequence}", signed.digest.store.identity) for _, signed in ordered]
    known = [(when, identity) for when, identity in [*seen, ("now", store.identity)] if identity is not None]
    for (before, was), (after, now) in pairwise(known):
        if _differ(was, now):
            yield f"between {before} and {after}: {shown(was)} became {shown(now)}"


def _timestamp_damages(ordered: Sequence[Named], evidence: Evidence) -> Iterator[Damage]:
    for name, signed in ordered:
        for said, is_damage in evidence.timestamps.get(signed.hash, ()):
            if is_damage:
                yield damage_of("timestamp_invalid", name, signed, said)


def _timestamps_told(ordered: Sequence[Named], evidence: Evidence) -> Iterator[str]:
    for _, signed in ordered:
        for said, is_damage in evidence.timestamps.get(signed.hash, ()):
            if not is_damage:
                yield f"digest {signed.digest.sequence}: {said}"
