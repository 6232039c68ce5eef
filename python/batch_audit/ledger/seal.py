"""Sealing: blocks for segments that have none, and an end for batches that ended without one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field

from batch_audit.errors import BatchAuditError
from batch_audit.ledger import store_sql
from batch_audit.ledger.block import EMPTY_TREE, Block, Tree, next_block
from batch_audit.ledger.read_by_sql import segment_trees
from batch_audit.ledger.rows import Segment, event_row
from batch_audit.ledger.tables import BLOCK, EVENT, SEALED, SEGMENT
from batch_audit.warehouses.base import Warehouse

HOUR_US = 3_600_000_000
_UNKNOWN = (
    "nodes",
    "ok",
    "errors",
    "skipped",
    "tests_passed",
    "tests_failed",
    "tests_warned",
    "tests_errored",
)


@dataclass(frozen=True)
class SealResult:
    """What was sealed: the segments in the order of their blocks, and the first and last block's number.

    `held` are segments that were to be sealed and that somebody is writing to, with who it is.
    """

    segments: tuple[str, ...]
    blocks: tuple[int, int] | None
    held: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UnsealedSegment:
    """A registered segment without blocks; `ended` if its invocation has a batch_end, wherever that was written."""

    segment: str
    opened_at: int
    ended: bool


@dataclass(frozen=True)
class OpenInvocation:
    """An invocation with a batch_start and no batch_end, and what it is known to have changed."""

    invocation_id: str
    batch_id: str
    batch_month: str
    opened_at: int
    inserts: int
    updates: int
    deletes: int


@dataclass(frozen=True)
class SealPlan:
    """What to do: invocations to close with the status `incomplete`, segments to seal, segments left open."""

    close: tuple[OpenInvocation, ...]
    seal: tuple[str, ...]
    left_open: tuple[str, ...]


def plan_seal(
    invocations: Sequence[OpenInvocation],
    segments: Sequence[UnsealedSegment],
    *,
    now_us: int,
    older_than_us: int | None,
) -> SealPlan:
    """Decide by age, because a batch that still runs looks like one that died.

    Invocations are closed and segments sealed that were opened at least `older_than_us` ago (None: whenever); a
    segment whose invocation has ended is sealed at any age, nobody writes to it any more.
    """
    latest = math.inf if older_than_us is None else now_us - older_than_us
    ripe = [segment for segment in segments if segment.ended or segment.opened_at <= latest]
    return SealPlan(
        close=tuple(invocation for invocation in invocations if invocation.opened_at <= latest),
        seal=tuple(segment.segment for segment in ripe),
        left_open=tuple(segment.segment for segment in segments if segment not in ripe),
    )


def read_plan(warehouse: Warehouse, *, now_us: int, older_than_us: int | None) -> SealPlan:
    """The plan for the store as it is."""
    invocations = [
        OpenInvocation(**row) for row in warehouse.query(store_sql.open_invocations_sql(warehouse))
    ]
    segments = [UnsealedSegment(**row) for row in warehouse.query(store_sql.unsealed_segments_sql(warehouse))]
    return plan_seal(invocations, segments, now_us=now_us, older_than_us=older_than_us)


def execute_plan(
    warehouse: Warehouse, plan: SealPlan, *, now_us: int, older_than_us: int | None, actor: str | None
) -> SealResult:
    """Seal and close what the plan says, in one transaction.

    Invocations are looked up again once the seal's lock is held: two seals at once do not close a batch twice.
    """
    planned = {invocation.invocation_id for invocation in plan.close}
    with warehouse.transaction():
        # What the hooks write for an invocation lies in the segment of the same name.
        held = warehouse.wait_for_writers([*dict.fromkeys([*plan.seal, *planned])])
        free = [segment for segment in plan.seal if segment not in held]
        sealed = seal_segments(warehouse, free, now_us=now_us)
        still_open = read_plan(warehouse, now_us=now_us, older_than_us=older_than_us).close
        closing = [
            close_invocation(warehouse, invocation, now_us=now_us, actor=actor)
            for invocation in still_open
            if invocation.invocation_id in planned - held.keys()
        ]
        closed = seal_segments(warehouse, closing, now_us=now_us)
    ranges = [result.blocks for result in (sealed, closed) if result.blocks]
    blocks = (ranges[0][0], ranges[-1][1]) if ranges else None
    return SealResult(sealed.segments + closed.segments, blocks, held)


def close_invocation(
    warehouse: Warehouse, invocation: OpenInvocation, *, now_us: int, actor: str | None
) -> str:
    """Write the missing batch_end into a segment of its own, inside the caller's transaction; gives that segment."""
    segment = Segment.open(
        "seal",
        batch_id=invocation.batch_id,
        batch_month=invocation.batch_month,
        invocation_id=invocation.invocation_id,
        now_us=now_us,
    )
    hours = (now_us - invocation.opened_at) / HOUR_US
    reason = (
        f"closed by batch-audit seal {hours:.1f} hours after the start: the invocation left no end,"
        " so it was killed, or the warehouse was lost to it; what it did beyond the recorded changes is unknown"
    )
    metadata = dict.fromkeys(_UNKNOWN) | {
        "status": "incomplete",
        "reason": reason,
        "inserts": invocation.inserts,
        "updates": invocation.updates,
        "deletes": invocation.deletes,
    }
    actor = actor and warehouse.storable(actor)
    event = event_row(segment, "end", 1, "batch_end", occurred_at=now_us, actor=actor, metadata=metadata)
    warehouse.insert(SEGMENT.name, SEGMENT.columns, [segment.row()])
    warehouse.insert(EVENT.name, EVENT.columns, [event])
    return segment.segment


def seal_segments(warehouse: Warehouse, segments: Sequence[str], *, now_us: int) -> SealResult:
    """Write the blocks of registered segments, in the given order, inside the caller's transaction.

    Roots are computed before the lock is taken, and again under it for segments that gained rows meanwhile; then
    the newest block is read and the new ones follow it. Segments that are sealed already are left as they are. It
    does not retry: should two writers ever fork the chain, the keys of audit_block refuse the second.

    Raises BatchAuditError for a segment that is not registered.
    """
    trees = segment_trees(warehouse, segments)
    warehouse.seal_lock()
    wanted = _without_sealed(warehouse, dict.fromkeys(segments))
    trees |= segment_trees(warehouse, _grown(warehouse, wanted, trees))
    unknown = [segment for segment in wanted if (SEGMENT.name, segment) not in trees]
    if unknown:
        raise BatchAuditError(
            f"Cannot seal segment {unknown[0]}: it is not registered in audit_segment of schema"
            f" {warehouse.audit_schema}. Only a segment that its writer registered can be sealed."
        )
    newest = _newest_block(warehouse)
    blocks: list[Block] = []
    for segment in wanted:
        for table in SEALED:
            tree = trees.get((table.name, segment), EMPTY_TREE)
            blocks.append(next_block(blocks[-1] if blocks else newest, segment, table.name, tree, now_us))
    warehouse.insert(BLOCK.name, BLOCK.columns, [astuple(block) for block in blocks])
    return SealResult(tuple(wanted), (blocks[0].block_no, blocks[-1].block_no) if blocks else None)


def _without_sealed(warehouse: Warehouse, segments: Iterable[str]) -> list[str]:
    wanted = list(segments)
    where = store_sql.in_segments(warehouse, wanted)
    found = warehouse.query(f"select distinct segment from {warehouse.table(BLOCK.name)} where {where}")
    sealed = {row["segment"] for row in found}
    return [segment for segment in wanted if segment not in sealed]


def _grown(warehouse: Warehouse, segments: Sequence[str], trees: dict[tuple[str, str], Tree]) -> set[str]:
    """The segments that have other numbers of rows than their trees."""
    where = store_sql.in_segments(warehouse, segments)
    grown: set[str] = set()
    for table in SEALED:
        counts = warehouse.query(
            f"select segment, count(*) as n from {warehouse.table(table.name)} where {where} group by segment"
        )
        grown |= {
            row["segment"]
            for row in counts
            if row["n"] != trees.get((table.name, row["segment"]), EMPTY_TREE).leaf_count
        }
    return grown


def _newest_block(warehouse: Warehouse) -> Block | None:
    columns = ", ".join(BLOCK.columns)
    found = warehouse.query(
        f"select {columns} from {warehouse.table(BLOCK.name)} order by block_no desc limit 1"
    )
    return Block(**found[0]) if found else None
