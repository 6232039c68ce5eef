"""Verifying a store: read it, recompute it, compare it with its blocks; nothing is written."""

from __future__ import annotations

from batch_audit.errors import StoreMissingError
from batch_audit.ledger import store_sql
from batch_audit.ledger.block import Block
from batch_audit.ledger.judge import VerifyResult, judge
from batch_audit.ledger.observed import Observed, Progress
from batch_audit.ledger.read_by_sql import read_by_sql
from batch_audit.ledger.read_locally import read_locally
from batch_audit.warehouses.base import Warehouse


def verify_store(
    warehouse: Warehouse, *, local: bool = False, progress: Progress | None = None
) -> VerifyResult:
    """Recompute every hash of the store and compare it with the blocks, in one snapshot of the database.

    `local` recomputes in Python instead of SQL; the result is the same.

    Raises StoreMissingError if the audit schema holds no store.
    """
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database}:"
            " nothing can be verified. Run a batch first, or name the schema with --audit-schema."
        )
    read = read_locally if local else read_by_sql
    with warehouse.snapshot():
        blocks = read_blocks(warehouse)
        observed = Observed({(block.table_name, block.segment): block.block_no for block in reversed(blocks)})
        read(warehouse, observed, progress or _silent)
    return judge(blocks, observed)


def read_blocks(warehouse: Warehouse) -> list[Block]:
    """All blocks by their number; one without a number counts as block 0, which no chain has."""
    rows = (row for rows in warehouse.stream(store_sql.blocks_sql(warehouse)) for row in rows)
    blocks = [Block(row[0] or 0, *row[1:]) for row in rows]
    return sorted(blocks, key=lambda block: (block.block_no, block.segment or "", block.table_name or ""))


def _silent(reading: str, share: float) -> None:
    """No progress is shown."""
