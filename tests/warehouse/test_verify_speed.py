"""Verifying beside one plain SHA-256 pass over the same rows in the same engine: it may not cost many times as much."""

import time
from collections.abc import Callable

import pytest

from batch_audit.ledger.tables import COMMITTED, EVENT, PAYLOAD, Table
from batch_audit.ledger.verify import verify_store
from batch_audit.warehouses import Warehouse
from tests.support.open_store import OpenStore
from tests.support.synthetic_store import SyntheticStore, ordinary_store

# The budget is 2 on DuckDB and 3 on Postgres on a quiet machine; tests share theirs with others.
TOLERATED_RATIO = 8
TOLERATED_S = 30


@pytest.mark.slow
def test_200_000_events_verify_within_a_few_plain_hash_passes(
    open_store: Callable[[SyntheticStore], OpenStore],
) -> None:
    warehouse = open_store(ordinary_store(changes=200_000)).warehouse
    if warehouse.engine == "postgres":
        warehouse.execute("vacuum analyze")

    plain, verified = [], []
    for _ in range(3):
        plain.append(seconds(lambda: plain_pass(warehouse)))
        verified.append(seconds(lambda: intact(warehouse)))

    ratio = min(verified) / min(plain)
    seen = f"{min(verified):.2f} s, {ratio:.1f} times a plain pass of {min(plain):.2f} s"
    assert min(verified) < TOLERATED_S, seen
    assert ratio < TOLERATED_RATIO, seen


def seconds(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def plain_pass(warehouse: Warehouse) -> None:
    """The hash of all columns of each row, unescaped, unordered, compared with nothing."""
    hashed: tuple[tuple[Table, tuple[str, ...]], ...] = ((EVENT, EVENT.hashed), (PAYLOAD, COMMITTED))
    for table, columns in hashed:
        row = warehouse.sha256_hex(f"concat_ws('|', {', '.join(columns)})")
        warehouse.query(f"select max({row}) as newest from {warehouse.table(table.name)}")


def intact(warehouse: Warehouse) -> None:
    assert verify_store(warehouse).ok
