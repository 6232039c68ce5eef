"""A verification's result in words for a tired person: verdict, coverage, first damage, what to do."""

from __future__ import annotations

from collections.abc import Iterator

from batch_audit.ledger.damage import Damage
from batch_audit.ledger.judge import Coverage, VerifyResult

_DAMAGED = """\
  What to do: leave the store as it is and write nothing into it by hand: it is the evidence.
  Ask who could write to this schema since the last good verification, and compare with a backup.
  `batch-audit verify --format json` lists the damages, `--local` repeats the check without the warehouse's SQL."""
_NOTHING = """\
  What to do: run a batch first (batch-audit run -- dbt build), or seal what is open (batch-audit seal).
  If batches were sealed here before, the chain was emptied: compare with a backup or a digest."""


def describe(result: VerifyResult, *, store: str, seconds: float) -> str:
    """The result as text of a few lines, without a newline at the end."""
    lines = [_verdict(result, store)]
    if not result.ok:
        lines += _first_damage(result)
    lines += _coverage(result.coverage)
    if result.head:
        lines.append(f"  newest block: {result.head.block_no}, {result.head.block_hash}")
    lines.append(f"  took {seconds:.1f} s")
    if not result.ok:
        lines.append(_NOTHING if "nothing_sealed" in result.kinds else _DAMAGED)
    return "\n".join(lines)


def _verdict(result: VerifyResult, store: str) -> str:
    if result.ok:
        return f"{store}: intact. Every row is as it was sealed, every block follows the one before it."
    if set(result.kinds) == {"nothing_sealed"}:
        return f"{store}: nothing is proven, there is no block to check."
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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
