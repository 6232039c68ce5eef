"""A verification's result in words for a tired person: verdict, coverage, first damage, what to do."""

from __future__ import annotations

from collections.abc import Iterator

from batch_audit.digest.coverage import DigestCoverage
from batch_audit.ledger.damage import NOT_PROVEN, Damage
from batch_audit.ledger.judge import Coverage, VerifyResult

_DAMAGED = """\
  What to do: leave the store as it is and write nothing into it by hand: it is the evidence.
  Ask who could write to this schema since the last good verification, and compare with a backup.
  `batch-audit verify --format json` lists the damages, `--local` repeats the check without the warehouse's SQL."""
_SHOWN = 5
_NOTHING = """\
  What to do: run a batch first (batch-audit run -- dbt build), or seal what is open (batch-audit seal).
  If batches were sealed here before, the chain was emptied: compare with a backup or a digest."""


_UNCHECKED = """\
  What to do: give what is missing: the folder of the digests, the public key that goes with them, an earlier block."""


def describe(result: VerifyResult, *, store: str, seconds: float) -> str:
    """The result as text of a few lines, without a newline at the end."""
    lines = [_verdict(result, store)]
    if not result.ok:
        lines += _first_damage(result)
    lines += _coverage(result.coverage)
    lines += _unread(result.coverage)
    if result.digests is not None:
        lines += _digests(result.digests)
    if result.head:
        lines.append(f"  newest block: {result.head.block_no}, {result.head.block_hash}")
    lines.append(f"  took {seconds:.1f} s")
    if not result.ok:
        lines.append(_what_to_do(result))
    return "\n".join(lines)


def _what_to_do(result: VerifyResult) -> str:
    if "nothing_sealed" in result.kinds:
        return _NOTHING
    return _UNCHECKED if result.kinds.keys() <= NOT_PROVEN else _DAMAGED


def _verdict(result: VerifyResult, store: str) -> str:
    if result.ok and result.coverage.unread_segments:
        return f"{store}: no damage in what was checked, which was not everything."
    if result.ok:
        return f"{store}: intact. Every row is as it was sealed, every block follows the one before it."
    if set(result.kinds) == {"nothing_sealed"}:
        return f"{store}: nothing is proven, there is no block to check."
    if result.kinds.keys() <= NOT_PROVEN:
        return f"{store}: not proven. No damage was seen, but not all that was asked for could be checked."
    return f"{store}: NOT intact, {_count(sum(result.kinds.values()), 'damage')} found."


def _first_damage(result: VerifyResult) -> Iterator[str]:
    first = result.damages[0]
    yield f"  first damage: {first.kind} in {first.table}{_place(first)}"
    if first.event_type or first.target or first.record_id is not None:
        record = f", record {first.record_id}" if first.record_id is not None else ""
        yield f"    event: {first.event_type or 'unknown'} of {first.target or 'the run'}{record}"
    yield f"    {first.meaning}"
    if first.detail:
        yield f"    {first.detail}"
    if result.following:
        others = dict(result.kinds) | {first.kind: result.kinds[first.kind] - 1}
        found = ", ".join(f"{count} {kind}" for kind, count in others.items() if count)
        yield f"  then {result.following} more: {found}"


def _place(damage: Damage) -> str:
    block = f", block {damage.block_no}" if damage.block_no is not None else ""
    segment = f", segment {damage.segment}" if damage.segment is not None else ""
    part = f", part {damage.part}" if damage.part is not None else ""
    row = f", row {damage.seq}" if damage.seq is not None else ""
    return block + segment + part + row


def _coverage(coverage: Coverage) -> Iterator[str]:
    edges = coverage.record_edges + coverage.column_edges
    yield (
        f"  checked: {_count(coverage.blocks, 'block')}, {_count(coverage.segments, 'segment')},"
        f" {_count(coverage.events, 'event')}, {_count(coverage.payloads, 'payload')}, {_count(edges, 'edge')}"
    )
    if coverage.erased_payloads:
        yield f"  erased: {_count(coverage.erased_payloads, 'payload')}, as erasure events say"
    if coverage.unsealed_segments:
        yield (
            f"  open: {_count(coverage.unsealed_segments, 'segment')} without blocks, so nothing vouches for their"
            " rows yet; batch-audit seal closes what died"
        )
    if coverage.ended_unsealed_segments:
        yield (
            f"  warning: {coverage.ended_unsealed_segments} of these hold the end of their batch. An end is written"
            " and sealed at once: blocks may have been removed, compare with a digest before you seal"
        )


def _unread(coverage: Coverage) -> Iterator[str]:
    if coverage.unread_segments:
        yield (
            f"  not checked: {_count(coverage.unread_rows, 'row')} of {_count(coverage.unread_segments, 'segment')}:"
            " of these the blocks were checked as links of the chain, and their rows were not read"
        )


def _digests(found: DigestCoverage) -> Iterator[str]:
    if found.digests:
        by = [(found.signed, "signed by a trusted key"), (found.vouched, "vouched for by later signed ones")]
        by += [
            (
                found.unsigned,
                "NOT SIGNED by a key that you gave: whoever could write the files could forge them",
            )
        ]
        said = ", ".join(f"{count} {how}" for count, how in by if count)
        yield f"  digests: {found.digests}, numbers {found.first} to {found.newest}: {said}"
        if found.first != 1:
            yield f"  not checked: the digests before number {found.first}, which were not given"
    if found.witness_lines is not None:
        yield f"  witness: {_count(found.witness_lines, 'line')}, not signed"
    else:
        yield "  not checked: no witness was given, so newer digests that were removed would not be missed"
    if found.newest_block is not None:
        after = f"; nothing outside vouches for the {_count(found.blocks_after, 'block')} after it"
        yield f"  vouched for: up to block {found.newest_block}{after if found.blocks_after else ''}"
    yield from _digest_warnings(found)


def _digest_warnings(found: DigestCoverage) -> Iterator[str]:
    if found.batches_without:
        shown = ", ".join(found.batches_without[:_SHOWN]) + (
            ", …" if len(found.batches_without) > _SHOWN else ""
        )
        batches = (
            "1 batch has" if len(found.batches_without) == 1 else f"{len(found.batches_without)} batches have"
        )
        yield f"  warning: {batches} no digest of their own, so their rows waited unprotected for a later one: {shown}"
    for move in found.moves:
        yield f"  warning: the store moved, was copied or restored {move}"
    for restore in found.restores:
        yield f"  warning: a restore is stated by {restore}"
    if found.lost_digests:
        numbers = ", ".join(map(str, found.lost_digests))
        yield f"  warning: what digests {numbers} vouched for went with a restore, and cannot be checked any more"
    for said in found.timestamps:
        yield f"  timestamp of {said}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
