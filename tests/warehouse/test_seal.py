"""Sealing what was left open, on each engine; every sealed store verifies."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batch_audit.errors import BatchAuditError, WarehouseError
from batch_audit.ledger.block import chain_damages
from batch_audit.ledger.rows import Segment, event_row
from batch_audit.ledger.seal import HOUR_US, SealResult, execute_plan, read_plan, seal_segments
from batch_audit.ledger.tables import EVENT, SEALED, SEGMENT
from batch_audit.ledger.verify import read_blocks
from batch_audit.warehouses import Warehouse
from tests.support.open_store import OpenStore
from tests.support.project import Project
from tests.support.synthetic_store import ORDERS, START_US, SyntheticStore, create_tables, ordinary_store
from tests.support.target import Target

Opener = Callable[[SyntheticStore], OpenStore]
NOW_US = START_US + 24 * HOUR_US


@pytest.fixture
def store(open_store: Opener) -> OpenStore:
    """An ordinary store: 12 blocks, and the segment s-third open, without an end."""
    return open_store(ordinary_store())


def seal(warehouse: Warehouse, *segments: str) -> SealResult:
    with warehouse.transaction():
        return seal_segments(warehouse, segments, now_us=NOW_US)


def seal_old(warehouse: Warehouse, older_than_us: int = 6 * HOUR_US) -> SealResult:
    plan = read_plan(warehouse, now_us=NOW_US, older_than_us=older_than_us)
    return execute_plan(warehouse, plan, now_us=NOW_US, older_than_us=older_than_us, actor="olga")


def test_a_sealed_segment_continues_the_chain(store: OpenStore) -> None:
    assert seal(store.warehouse, "s-third") == SealResult(("s-third",), (13, 16))

    blocks = read_blocks(store.warehouse)
    assert [block.table_name for block in blocks[12:]] == [table.name for table in SEALED]
    assert [block.leaf_count for block in blocks[12:]] == [1, 1, 0, 0]
    assert {block.sealed_at for block in blocks[12:]} == {NOW_US}
    result = store.verify()
    assert result.ok
    assert result.coverage.unsealed_segments == 0


def test_the_first_seal_of_a_store_begins_the_chain(open_store: Opener) -> None:
    unsealed = ordinary_store()
    unsealed.rows["audit_block"] = []
    store = open_store(unsealed)

    result = seal(store.warehouse, "s-second", "s-first", "a-lineage", "s-third")

    assert result.blocks == (1, 16)
    assert [block.segment for block in read_blocks(store.warehouse)][::4] == list(result.segments)
    assert store.verify().ok


def test_python_seals_what_an_independent_hand_sealed(open_store: Opener) -> None:
    """The roots of SQL are those that Python computes from the rows it wrote."""
    sealed = ordinary_store(changes=600)
    expected = [(b.segment, b.table_name, b.leaf_count, b.merkle_root) for b in sealed.blocks]
    sealed.rows["audit_block"] = []
    store = open_store(sealed)

    seal(store.warehouse, "s-first", "a-lineage", "s-second")

    found = [(b.segment, b.table_name, b.leaf_count, b.merkle_root) for b in read_blocks(store.warehouse)]
    assert found == expected


def test_sealed_segments_are_left_as_they_are(store: OpenStore) -> None:
    before = read_blocks(store.warehouse)

    assert seal(store.warehouse, "s-first", "s-second", "s-first") == SealResult((), None)
    assert read_blocks(store.warehouse) == before
    assert seal(store.warehouse, "s-first", "s-third", "s-third").segments == ("s-third",)
    assert read_blocks(store.warehouse)[:12] == before


def test_an_unregistered_segment_is_refused_and_nothing_is_sealed(store: OpenStore) -> None:
    with pytest.raises(BatchAuditError, match="Cannot seal segment nowhere: it is not registered"):
        seal(store.warehouse, "s-third", "nowhere")

    assert len(read_blocks(store.warehouse)) == 12


def test_rows_of_the_callers_own_transaction_are_sealed_with_it(store: OpenStore) -> None:
    segment = Segment.open("runner", batch_id="b", batch_month="2026-02", invocation_id="i", now_us=NOW_US)
    event = event_row(segment, "end", 1, "batch_end", occurred_at=NOW_US, metadata={"status": "interrupted"})
    with store.warehouse.transaction():
        store.warehouse.insert(SEGMENT.name, SEGMENT.columns, [segment.row()])
        store.warehouse.insert(EVENT.name, EVENT.columns, [event])
        assert seal_segments(store.warehouse, [segment.segment], now_us=NOW_US).blocks == (13, 16)

    assert store.verify().ok


def test_a_rolled_back_transaction_leaves_no_block(store: OpenStore) -> None:
    with pytest.raises(ZeroDivisionError), store.warehouse.transaction():
        seal_segments(store.warehouse, ["s-third"], now_us=NOW_US)
        raise ZeroDivisionError

    assert len(read_blocks(store.warehouse)) == 12


def test_a_batch_that_left_no_end_is_closed_as_incomplete(store: OpenStore) -> None:
    result = seal_old(store.warehouse)

    assert result.blocks == (13, 20)
    (end,) = store.warehouse.query(
        store.sql(
            "select * from {audit_event} where event_type = 'batch_end' and invocation_id = 'invocation-s-third'"
        )
    )
    (segment,) = store.warehouse.query(store.sql("select * from {audit_segment} where writer = 'seal'"))
    assert result.segments == ("s-third", segment["segment"])
    assert (end["segment"], end["part"], end["seq"]) == (segment["segment"], "end", 1)
    assert (end["batch_id"], end["batch_month"], end["actor"]) == ("batch-s-third", "2026-02", "olga")
    assert segment["invocation_id"] == "invocation-s-third"
    metadata = json.loads(end["metadata"])
    assert (metadata["status"], metadata["inserts"], metadata["nodes"]) == ("incomplete", 0, None)
    assert metadata["reason"].startswith("closed by batch-audit seal 24.0 hours after the start")
    verified = store.verify()
    assert verified.ok
    assert verified.coverage.unsealed_segments == 0


def test_a_closed_batch_counts_the_changes_it_recorded(open_store: Opener) -> None:
    unfinished = ordinary_store()
    segment = Segment("s-third", "batch-s-third", "2026-02", "invocation-s-third", "hooks", START_US)
    for seq in range(1, 4):
        unfinished.add_change(segment, ORDERS, seq, str(seq), "x")
    store = open_store(unfinished)

    seal_old(store.warehouse)

    found = store.warehouse.query(
        store.sql("select metadata from {audit_event} where actor = 'olga' and event_type = 'batch_end'")
    )
    counts = json.loads(found[0]["metadata"])
    assert (counts["inserts"], counts["updates"], counts["deletes"]) == (0, 3, 0)


def test_sealing_again_finds_nothing_to_do(store: OpenStore) -> None:
    seal_old(store.warehouse)
    before = read_blocks(store.warehouse)

    plan = read_plan(store.warehouse, now_us=NOW_US, older_than_us=0)
    assert (plan.close, plan.seal, plan.left_open) == ((), (), ())
    assert seal_old(store.warehouse) == SealResult((), None)
    assert read_blocks(store.warehouse) == before


def test_a_young_batch_is_left_open(store: OpenStore) -> None:
    plan = read_plan(store.warehouse, now_us=NOW_US, older_than_us=25 * HOUR_US)

    assert (plan.close, plan.seal, plan.left_open) == ((), (), ("s-third",))
    assert seal_old(store.warehouse, 25 * HOUR_US) == SealResult((), None)


def test_a_segment_whose_end_another_segment_holds_is_sealed_at_any_age(open_store: Opener) -> None:
    filled_in = ordinary_store()
    late = Segment("late", "batch-s-third", "2026-02", "invocation-s-third", "runner", START_US)
    filled_in.add(SEGMENT, late.row())
    filled_in.add_event(late, "end", 1, "batch_end", metadata={"status": "interrupted"})
    store = open_store(filled_in)

    result = seal_old(store.warehouse, 25 * HOUR_US)

    assert sorted(result.segments) == ["late", "s-third"]
    assert store.verify().ok


def test_a_plan_that_another_seal_carried_out_meanwhile_does_nothing(store: OpenStore) -> None:
    plan = read_plan(store.warehouse, now_us=NOW_US, older_than_us=0)
    seal_old(store.warehouse)

    again = execute_plan(store.warehouse, plan, now_us=NOW_US, older_than_us=0, actor="late")

    assert again == SealResult((), None)
    ends = store.sql("select count(*) as n from {audit_event} where event_type = 'batch_end'")
    assert store.warehouse.query(ends)[0]["n"] == 3


def test_keys_refuse_a_fork_of_the_chain(store: OpenStore) -> None:
    store.attack("create unique index one_number on {audit_block} (block_no)")
    rows: list[Any] = [tuple(vars(block).values()) for block in read_blocks(store.warehouse)[-1:]]

    with pytest.raises(WarehouseError, match=r"(?i)unique|duplicate"):
        store.warehouse.insert("audit_block", list(vars(read_blocks(store.warehouse)[0])), rows)


@pytest.fixture
def many(
    make_project: Callable[..., Project], warehouse_target: Target
) -> Iterator[tuple[Project, list[str]]]:
    """A store with many open segments."""
    store = SyntheticStore()
    names = [f"s-{number:02}" for number in range(24)]
    for name in names:
        store.add_event(store.open_segment(name), "run", 1, "batch_start")
    create_tables(warehouse_target)
    project = make_project(installed=False, hook=False)
    warehouse = project.warehouse()
    store.write(warehouse)
    warehouse.close()
    yield project, names


@pytest.mark.parametrize("engine", ["postgres"])
def test_eight_seals_at_once_make_one_chain(many: tuple[Project, list[str]]) -> None:
    project, names = many
    warehouses = [project.warehouse() for _ in range(8)]
    gate = threading.Barrier(len(warehouses))
    failures: list[BaseException] = []

    def work(number: int) -> None:
        gate.wait()
        try:
            # Each has three segments of its own, and one that its neighbour wants, too.
            for name in [*names[number * 3 : number * 3 + 3], names[(number * 3 + 3) % len(names)]]:
                seal(warehouses[number], name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(warehouses))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    blocks = read_blocks(warehouses[0])
    for warehouse in warehouses:
        warehouse.close()
    assert failures == []
    assert list(chain_damages(blocks)) == []
    assert len(blocks) == 4 * len(names)
    assert {block.segment for block in blocks} == set(names)
