"""What verifying says of an honest store and of attacked ones; each verdict is the same by SQL and by Python alone."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from batch_audit.errors import StoreMissingError
from batch_audit.ledger.block import Block
from batch_audit.ledger.damage import KEPT
from batch_audit.ledger.read_by_sql import segment_trees
from batch_audit.ledger.rows import Segment, event_row
from batch_audit.ledger.tables import BLOCK, EVENT, TABLES
from batch_audit.ledger.verify import read_blocks, verify_store
from tests.support.attacks import (
    CHANGES,
    EVENT_ATTACKS,
    EVENTS_OF_FIRST,
    OTHER_ATTACKS,
    PAYLOAD_ATTACKS,
    ROW_17,
)
from tests.support.open_store import OpenStore
from tests.support.project import Project
from tests.support.synthetic_store import NASTY, ORDERS, SyntheticStore, ordinary_store

Opener = Callable[[SyntheticStore], OpenStore]


@pytest.fixture
def store(open_store: Opener) -> OpenStore:
    return open_store(ordinary_store(changes=CHANGES))


def test_an_honest_store_is_intact_and_says_what_was_checked(store: OpenStore) -> None:
    result = store.verify()

    assert result.ok
    assert result.damages == ()
    coverage = result.coverage
    assert (coverage.blocks, coverage.segments, coverage.record_edges, coverage.column_edges) == (12, 4, 1, 2)
    assert coverage.events == 1 + CHANGES + len(NASTY) + 3 + 2 + 3 + 1
    assert (coverage.payloads, coverage.erased_payloads) == (CHANGES + len(NASTY) - 1, 1)
    assert (coverage.unsealed_segments, coverage.ended_unsealed_segments) == (1, 0)
    assert result.head == read_blocks(store.warehouse)[-1]


@pytest.mark.parametrize("changes", [1, 255, 256, 257, 512, 513])
def test_trees_of_any_size_give_the_sealed_roots(open_store: Opener, changes: int) -> None:
    assert open_store(ordinary_store(changes=changes)).verify().ok


def test_parts_are_ordered_by_code_points(open_store: Opener) -> None:
    store = SyntheticStore()
    segment = store.open_segment("s")
    for part in (
        "model.b",
        "model.B",
        "model.a_b",
        "model.a.b",
        "model.ab",
        "model.é",
        "model.🙂",
        "model.\uffee",
    ):
        for seq in (1, 2):
            store.add_event(segment, part, seq, "checkpoint")
    store.seal(segment)

    assert open_store(store).verify().ok


def test_a_store_without_blocks_proves_nothing(open_store: Opener) -> None:
    result = open_store(SyntheticStore()).verify()

    assert not result.ok
    assert [damage.kind for damage in result.damages] == ["nothing_sealed"]


def test_a_missing_store_is_said_to_be_missing(make_project: Callable[..., Project]) -> None:
    warehouse = make_project(installed=False, hook=False).warehouse()
    try:
        with pytest.raises(StoreMissingError, match="no audit store in schema shop_audit"):
            verify_store(warehouse)
    finally:
        warehouse.close()


@pytest.mark.parametrize("column", [column for column in EVENT.columns if column != "segment"])
def test_an_edit_of_any_column_of_an_event_is_found(store: OpenStore, column: str) -> None:
    value = f"{column} + 1000" if EVENT.type_of(column) == "bigint" else "'edited'"
    store.attack(f"update {{audit_event}} set {column} = {value} where {ROW_17}")

    result = store.verify()

    edited = next(damage for damage in result.damages if damage.kind == "event_edited")
    assert (edited.table, edited.block_no, edited.segment) == (EVENT.name, EVENTS_OF_FIRST, "s-first")
    assert edited.part == ("edited" if column == "part" else ORDERS)
    assert edited.seq == (1017 if column == "seq" else 17)
    assert edited.record_id == ("edited" if column == "record_id" else "17")
    assert result.damages[0] == edited
    # An edited id does not change what the row hashes to.
    assert result.kinds.get("rows_altered", 0) == (0 if column == "event_id" else 1)


@pytest.mark.parametrize(
    ("statements", "kinds", "first"),
    [
        pytest.param(*attack, id=name)
        for name, attack in {**EVENT_ATTACKS, **PAYLOAD_ATTACKS, **OTHER_ATTACKS}.items()
    ],
)
def test_an_attack_is_named_with_its_first_place(
    store: OpenStore, statements: list[str], kinds: dict[str, int], first: tuple[Any, ...]
) -> None:
    store.attack(*statements)

    result = store.verify()

    assert not result.ok
    assert dict(result.kinds) == kinds
    found = result.damages[0]
    assert (found.kind, found.table, found.block_no, found.part, found.seq) == first
    assert result.following == sum(kinds.values()) - 1


def test_a_forged_event_with_its_own_hash_and_payload_is_found_by_the_root(store: OpenStore) -> None:
    columns = ", ".join(EVENT.columns)
    (old,) = store.warehouse.query(store.sql(f"select {columns} from {{audit_event}} where {ROW_17}"))
    forged = event_row(
        Segment("s-first", old["batch_id"], old["batch_month"], old["invocation_id"], "hooks", 0),
        **{**without(old, "segment", "event_id", "batch_id", "batch_month", "metadata"), "actor": "eve"},
    )
    store.attack(f"delete from {{audit_event}} where {ROW_17}")
    store.warehouse.insert(EVENT.name, EVENT.columns, [forged])
    store.attack(f"update {{audit_payload}} set event_id = '{forged[3]}' where {ROW_17}")

    result = store.verify()

    assert dict(result.kinds) == {"rows_altered": 1}
    assert (result.damages[0].table, result.damages[0].block_no) == (EVENT.name, EVENTS_OF_FIRST)


def without(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column not in columns}


def test_a_block_that_was_resealed_over_forged_rows_breaks_the_chain(store: OpenStore) -> None:
    store.attack("update {audit_segment} set writer = 'nobody' where segment = 's-first'")
    tree = segment_trees(store.warehouse, ["s-first"])["audit_segment", "s-first"]
    resealed = replace(read_blocks(store.warehouse)[0], merkle_root=tree.merkle_root)
    resealed = replace(resealed, block_hash=resealed.expected_hash())
    rewrite(store, [resealed])

    assert dict(store.verify().kinds) == {"block_relinked": 1}


def rewrite(store: OpenStore, blocks: list[Block]) -> None:
    """Replace blocks by their number."""
    for block in blocks:
        store.attack(f"delete from {{audit_block}} where block_no = {block.block_no}")
    rows = [tuple(getattr(block, column) for column in BLOCK.columns) for block in blocks]
    store.warehouse.insert(BLOCK.name, BLOCK.columns, rows)


def test_a_removed_tail_leaves_an_intact_store_whose_head_is_older(store: OpenStore) -> None:
    """The known limit, which a digest outside the warehouse is for; the result shows what can be seen."""
    head = store.verify().head
    store.attack("delete from {audit_block} where block_no > 8")

    result = store.verify()

    assert result.ok
    assert head and result.head and result.head.block_no == head.block_no - 4
    assert (result.coverage.unsealed_segments, result.coverage.ended_unsealed_segments) == (2, 1)


def test_damage_all_over_the_store_is_counted_in_full_and_kept_in_order(open_store: Opener) -> None:
    store = open_store(ordinary_store(changes=KEPT + 200))
    store.attack("update {audit_event} set actor = 'eve'")

    result = store.verify()

    events = KEPT + 200 + 1 + len(NASTY) + 3 + 5 + 1
    assert dict(result.kinds) == {"event_edited": events, "rows_altered": 2}
    assert result.following == events + 1
    assert len(result.damages) == KEPT
    assert list(result.damages) == sorted(result.damages, key=lambda damage: damage.position)
    assert (result.damages[0].part, result.damages[0].seq) == ("end", 1)


def test_events_that_lie_in_the_wrong_month_are_found(store: OpenStore) -> None:
    store.attack("update {audit_event} set batch_month = '2026-02' where segment = 's-first' and seq % 2 = 0")

    kinds = store.verify().kinds

    assert kinds["rows_altered"] == 1
    assert kinds["event_edited"] == CHANGES // 2 + len(NASTY) // 2 + 1


def test_verifying_changes_nothing(store: OpenStore) -> None:
    def contents() -> dict[str, Any]:
        tables = {table.name: store.warehouse.table(table.name) for table in TABLES}
        return {
            name: store.warehouse.query(f"select * from {table} order by 1, 2, 3")
            for name, table in tables.items()
        }

    before = contents()
    store.verify()

    assert contents() == before


CHANGES_OF_ROWS = (
    "update {{{}}} set segment = 's-second' where {}",
    "update {{{}}} set segment = null where {}",
    "update {{{}}} set batch_month = '2026-02' where {}",
    "update {{{}}} set seq = seq + 1 where {}",
    "update {{{}}} set seq = null where {}",
    "update {{{}}} set part = 'end' where {}",
    "update {{{}}} set event_id = 'x' where {}",
    "update {{{}}} set event_id = null where {}",
    "update {{{}}} set block_no = 3 where {}",
    "update {{{}}} set leaf_count = 1 where {}",
    "update {{{}}} set payload_commitment = null where {}",
    "update {{{}}} set source = event_id where {}",
    "update {{{}}} set event_type = 'erasure' where {}",
    "delete from {{{}}} where {}",
    "insert into {{{0}}} select * from {{{0}}} where {1}",
)
ROWS = (
    "true",
    "seq = 1",
    "seq = 2",
    "segment = 's-first'",
    "part = 'end'",
    "batch_month = '2026-02'",
    "block_no > 6",
)


def damaging_statements() -> list[str]:
    """Every change of every selection of rows, where the table has the columns that it names."""
    every_column = {column for table in TABLES for column in table.columns}
    statements = []
    for table, change, rows in itertools.product(TABLES, CHANGES_OF_ROWS, ROWS):
        statement = change.format(table.name, rows)
        named = set(re.findall(r"[a-z_]+", statement.rsplit("}", 1)[1])) & every_column
        if named <= set(table.columns):
            statements.append(statement)
    return statements


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=st.lists(st.sampled_from(damaging_statements()), min_size=1, max_size=3))
@example(
    statements=[
        "update {audit_event} set seq = seq + 1 where seq = 1",
        "update {audit_event} set event_id = 'x' where true",
    ]
)
def test_any_mixture_of_damage_is_judged_alike_by_sql_and_by_python(
    small_store: OpenStore, statements: list[str]
) -> None:
    small_store.attack(*[f"delete from {{{table.name}}}" for table in TABLES])
    ordinary_store(changes=3).write(small_store.warehouse)
    small_store.attack(*statements)

    small_store.verify()


@pytest.fixture
def small_store(open_store: Opener) -> OpenStore:
    return open_store(ordinary_store(changes=3))
