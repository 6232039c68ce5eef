"""Verifying a store: read it, recompute it, compare it with its blocks; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from batch_audit.errors import StoreMissingError
from batch_audit.ledger import store_sql
from batch_audit.ledger.block import Block
from batch_audit.ledger.damage import Damage
from batch_audit.ledger.judge import VerifyResult, judge
from batch_audit.ledger.observed import Observed, Progress
from batch_audit.ledger.read_by_sql import read_by_sql
from batch_audit.ledger.read_locally import read_locally
from batch_audit.ledger.scope import drawn
from batch_audit.warehouses.base import Warehouse
from batch_audit.warehouses.incarnation import identity_of

if TYPE_CHECKING:
    from batch_audit.digest.judge import Evidence


def verify_store(
    warehouse: Warehouse,
    *,
    local: bool = False,
    since: int = 0,
    sample: int | None = None,
    evidence: Evidence | None = None,
    progress: Progress | None = None,
) -> VerifyResult:
    """Recompute the hashes of the store and compare it with the blocks, in one snapshot of the database.

    `local` recomputes in Python instead of SQL; the result is the same. `since` leaves segments out that end with
    this block or before it, `sample` draws so many of the others: all blocks are checked still, as a chain.
    `evidence` are digests and a witness to compare the chain with.

    Raises StoreMissingError if the audit schema holds no store, UnreadableError for a public key that is none.
    """
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database}:"
            " nothing can be verified. Run a batch first, or name the schema with --audit-schema."
        )
    read = read_locally if local else read_by_sql
    identity = identity_of(warehouse) if evidence is not None else None
    with warehouse.snapshot():
        blocks = read_blocks(warehouse)
        scope = drawn(blocks, since=since, sample=sample)
        batches = _batches(warehouse) if evidence is not None else {}
        observed = Observed({(block.table_name, block.segment): block.block_no for block in reversed(blocks)})
        read(warehouse, observed, progress or _silent, scope.condition(warehouse))
    digests = None
    if evidence is not None:
        from batch_audit.digest.judge import OnRecord, judge_digests

        digests = judge_digests(evidence, OnRecord(blocks, identity, batches))
    observed.log.extend(_nothing_checked(blocks, since, sample))
    return judge(blocks, observed, scope, digests)


def _nothing_checked(blocks: Sequence[Block], since: int, sample: int | None) -> Iterator[Damage]:
    """A check of nothing proves nothing."""
    if blocks and since and not drawn(blocks, since=since).sealed_segments(blocks):
        newest = blocks[-1].block_no
        detail = f"no block stands behind block {since}; the newest one is block {newest}"
        yield Damage("nothing_checked", "audit_block", block_no=newest, detail=detail)
    elif sample is not None and sample < 1:
        yield Damage("nothing_checked", "audit_block", detail=f"a sample of {sample} segments is none")


def _batches(warehouse: Warehouse) -> dict[str, int]:
    """The newest block of each batch."""
    found = warehouse.query(
        f"select s.batch_id, max(b.block_no) as block_no from {warehouse.table('audit_segment')} as s"
        f" join {warehouse.table('audit_block')} as b on b.segment = s.segment"
        " where s.batch_id is not null and b.block_no is not null group by s.batch_id"
    )
    return {row["batch_id"]: row["block_no"] for row in found}


def read_blocks(warehouse: Warehouse) -> list[Block]:
    """All blocks by their number; one without a number counts as block 0, which no chain has."""
    rows = (row for rows in warehouse.stream(store_sql.blocks_sql(warehouse)) for row in rows)
    blocks = [Block(row[0] or 0, *row[1:]) for row in rows]
    return sorted(blocks, key=lambda block: (block.block_no, block.segment or "", block.table_name or ""))


def _silent(reading: str, share: float) -> None:
    """No progress is shown."""
