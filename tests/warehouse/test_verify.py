"""What verifying says of an honest store and of attacked ones; each verdict is the same by SQL and by Python alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from batch_audit.errors import StoreMissingError
from batch_audit.ledger.block import Block
from batch_audit.ledger.damage import KEPT
from batch_audit.ledger.read_by_sql import segment_trees
from batch_audit.ledger.rows import Segment, event_row
from batch_audit.ledger.tables import BLOCK, EVENT, TABLES
from batch_audit.ledger.verify import read_blocks, verify_store
from tests.support.project import Project
from tests.support.synthetic_store import CUSTOMERS, NASTY, ORDERS, SyntheticStore, ordinary_store
from tests.warehouse.conftest import OpenStore

Opener = Callable[[SyntheticStore], OpenStore]
CHANGES = 300
ROW_17 = f"segment = 's-first' and part = '{ORDERS}' and seq = 17"
LAST_ROW = f"segment = 's-first' and part = '{ORDERS}' and seq = {CHANGES}"
FIRST_CHECKPOINT = "segment = 's-first' and part = 'end' and seq = 1"
# Where the attacks strike: the blocks of s-first are 1 to 4, of a-lineage 5 to 8, of s-second 9 to 12.
EVENTS_OF_FIRST, RECORD_EDGES_OF_LINEAGE, COLUMN_EDGES_OF_LINEAGE, EVENTS_OF_SECOND = 2, 7, 8, 10


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
@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
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


EVENT_ATTACKS: dict[
    str, tuple[list[str], dict[str, int], tuple[str, str, int | None, str | None, int | None]]
] = {
    "NULL becomes the empty text": (
        [f"update {{audit_event}} set error_message = '' where {ROW_17}"],
        {"event_edited": 1, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "the empty text becomes NULL": (
        [f"update {{audit_event}} set error_message = null where {ROW_17.replace('17', '18')}"],
        {"event_edited": 1, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, ORDERS, 18),
    ),
    "an event is removed": (
        [f"delete from {{audit_event}} where {ROW_17}"],
        {"seq_gap": 1, "rows_missing": 1, "payload_orphan": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "the last event of a part is removed, with its payload": (
        [f"delete from {{audit_event}} where {LAST_ROW}", f"delete from {{audit_payload}} where {LAST_ROW}"],
        {"rows_missing": 1},
        ("rows_missing", "audit_event", EVENTS_OF_FIRST, None, None),
    ),
    "a whole part is removed, with its payloads": (
        [f"delete from {{{table}}} where part = '{ORDERS}'" for table in ("audit_event", "audit_payload")],
        {"rows_missing": 1},
        ("rows_missing", "audit_event", EVENTS_OF_FIRST, None, None),
    ),
    "an event is written twice": (
        [f"insert into {{audit_event}} select * from {{audit_event}} where {FIRST_CHECKPOINT}"],
        {"seq_duplicate": 1, "rows_added": 1},
        ("seq_duplicate", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "a removed event is covered by a copy of another": (
        [
            f"delete from {{audit_event}} where {FIRST_CHECKPOINT.replace('seq = 1', 'seq = 2')}",
            f"insert into {{audit_event}} select * from {{audit_event}} where {FIRST_CHECKPOINT}",
        ],
        {"seq_duplicate": 1, "seq_gap": 1, "rows_altered": 1},
        ("seq_duplicate", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "two events exchange their numbers": (
        ["update {audit_event} set seq = 3 - seq where segment = 's-first' and part = 'end' and seq < 3"],
        {"event_edited": 2, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "an event moves into another sealed segment": (
        [f"update {{audit_event}} set segment = 's-second' where {FIRST_CHECKPOINT}"],
        {"seq_gap": 1, "rows_missing": 1, "event_edited": 1, "seq_duplicate": 1, "rows_added": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "an event moves into a segment that is not there": (
        [f"update {{audit_event}} set segment = 'nowhere' where {FIRST_CHECKPOINT}"],
        {"seq_gap": 1, "rows_missing": 1, "event_edited": 1, "segment_unregistered": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "an event of an open segment is edited": (
        ["update {audit_event} set actor = 'eve' where segment = 's-third'"],
        {"event_edited": 1},
        ("event_edited", "audit_event", None, "run", 1),
    ),
    "an event loses its number": (
        [f"update {{audit_event}} set seq = null where {FIRST_CHECKPOINT}"],
        {"row_unplaced": 1, "seq_gap": 1, "rows_missing": 1},
        ("row_unplaced", "audit_event", EVENTS_OF_FIRST, "end", None),
    ),
    "an event loses its part": (
        [f"update {{audit_event}} set part = null where {FIRST_CHECKPOINT}"],
        {"row_unplaced": 1, "seq_gap": 1, "rows_missing": 1},
        ("row_unplaced", "audit_event", EVENTS_OF_FIRST, None, 1),
    ),
    "an event loses its segment": (
        [f"update {{audit_event}} set segment = null where {FIRST_CHECKPOINT}"],
        {"row_unplaced": 1, "seq_gap": 1, "rows_missing": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "numbers are negative": (
        ["update {audit_event} set seq = -seq where segment = 's-first' and part = 'end'"],
        {"event_edited": 3, "seq_gap": 1, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, "end", -3),
    ),
}

PAYLOAD_ATTACKS = {
    **{
        f"{column} of a payload is edited": (
            [f"update {{audit_payload}} set {column} = 'edited' where {ROW_17}"],
            {"payload_edited": 1},
            ("payload_edited", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
        )
        for column in ("salt", "old_hash", "record_hash", "old_value", "new_value")
    },
    "NULL in a payload becomes the empty text": (
        [f"update {{audit_payload}} set old_value = '' where {ROW_17}"],
        {"payload_edited": 1},
        ("payload_edited", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload is removed": (
        [f"delete from {{audit_payload}} where {ROW_17}"],
        {"payload_missing": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload names another event": (
        [f"update {{audit_payload}} set event_id = 'other' where {ROW_17}"],
        {"payload_missing": 1, "payload_orphan": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload names no event": (
        [f"update {{audit_payload}} set event_id = null where {ROW_17}"],
        {"payload_missing": 1, "payload_orphan": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload is added to an event without one": (
        [
            "insert into {audit_payload} (segment, part, seq, event_id, batch_month, new_value)"
            " select segment, part, seq, event_id, batch_month, 'x' from {audit_event}"
            f" where {FIRST_CHECKPOINT}"
        ],
        {"payload_orphan": 1},
        ("payload_orphan", "audit_payload", EVENTS_OF_FIRST, "end", 1),
    ),
    "a payload is written twice": (
        [f"insert into {{audit_payload}} select * from {{audit_payload}} where {ROW_17}"],
        {"payload_duplicated": 1},
        ("payload_duplicated", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a removed payload is covered by a copy of another": (
        [
            f"delete from {{audit_payload}} where {ROW_17.replace('17', '18')}",
            f"insert into {{audit_payload}} select * from {{audit_payload}} where {ROW_17}",
        ],
        {"payload_duplicated": 1, "payload_missing": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 18),
    ),
    "a payload moves to another place": (
        [f"update {{audit_payload}} set seq = 1000 where {ROW_17}"],
        {"payload_moved": 1},
        ("payload_moved", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload moves to another month": (
        [f"update {{audit_payload}} set batch_month = '2026-02' where {ROW_17}"],
        {"payload_moved": 1},
        ("payload_moved", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "an erasure is removed": (
        ["delete from {audit_event} where event_type = 'erasure'"],
        {"payload_missing": 1, "rows_missing": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, CUSTOMERS, 2),
    ),
}

OTHER_ATTACKS = {
    "a record edge is edited": (
        ["update {audit_record_edge} set source_record_id = 'r|2'"],
        {"rows_altered": 1},
        ("rows_altered", "audit_record_edge", RECORD_EDGES_OF_LINEAGE, None, None),
    ),
    "a record edge is removed": (
        ["delete from {audit_record_edge}"],
        {"rows_missing": 1},
        ("rows_missing", "audit_record_edge", RECORD_EDGES_OF_LINEAGE, None, None),
    ),
    "a column edge is removed": (
        ["delete from {audit_column_edge} where seq = 1"],
        {"seq_gap": 1, "rows_missing": 1},
        ("seq_gap", "audit_column_edge", COLUMN_EDGES_OF_LINEAGE, ORDERS, 1),
    ),
    "a column edge is added": (
        [
            "insert into {audit_column_edge} (segment, part, seq, batch_month)"
            f" values ('a-lineage', '{ORDERS}', 3, '2026-01')"
        ],
        {"rows_added": 1},
        ("rows_added", "audit_column_edge", COLUMN_EDGES_OF_LINEAGE, None, None),
    ),
    "an edge is added to a segment that had none": (
        ["insert into {audit_record_edge} (segment, part, seq) values ('s-first', 'p', 1)"],
        {"rows_added": 1},
        ("rows_added", "audit_record_edge", 3, None, None),
    ),
    "a segment's writer is edited": (
        ["update {audit_segment} set writer = 'nobody' where segment = 's-first'"],
        {"rows_altered": 1},
        ("rows_altered", "audit_segment", 1, None, None),
    ),
    "a sealed segment's registration is removed": (
        ["delete from {audit_segment} where segment = 'a-lineage'"],
        {"block_without_segment": 1, "rows_missing": 1},
        ("block_without_segment", "audit_block", 5, None, None),
    ),
    "a segment is registered twice": (
        ["insert into {audit_segment} select * from {audit_segment} where segment = 's-first'"],
        {"seq_duplicate": 1, "rows_added": 1},
        ("seq_duplicate", "audit_segment", 1, "segment", 1),
    ),
    "an open segment's registration is removed": (
        ["delete from {audit_segment} where segment = 's-third'"],
        {"segment_unregistered": 1},
        ("segment_unregistered", "audit_event", None, None, None),
    ),
    **{
        f"{column} of a block is edited": (
            [f"update {{audit_block}} set {column} = {value} where block_no = 6"],
            kinds,
            (first, "audit_block", 6, None, None),
        )
        for column, value, first, kinds in (
            ("leaf_count", "9", "block_edited", {"block_edited": 1, "rows_missing": 1}),
            ("leaf_count", "null", "block_edited", {"block_edited": 1}),
            ("merkle_root", "'f'", "block_edited", {"block_edited": 1, "rows_altered": 1}),
            ("sealed_at", "1", "block_edited", {"block_edited": 1}),
            ("previous_hash", "'f'", "block_edited", {"block_edited": 1, "block_relinked": 1}),
            ("block_hash", "'f'", "block_edited", {"block_edited": 1, "block_relinked": 1}),
            ("format_version", "'v9'", "block_unknown_format", {"block_unknown_format": 1}),
        )
    },
    "a block names another table": (
        ["update {audit_block} set table_name = 'audit_payload' where block_no = 6"],
        {"block_edited": 1, "block_set_incomplete": 1},
        ("block_edited", "audit_block", 6, None, None),
    ),
    "a block is removed": (
        ["delete from {audit_block} where block_no = 6"],
        {"block_missing": 1, "block_set_incomplete": 1},
        ("block_missing", "audit_block", 6, None, None),
    ),
    "the newest block is removed": (
        ["delete from {audit_block} where block_no = 12"],
        {"block_set_incomplete": 1},
        ("block_set_incomplete", "audit_block", 11, None, None),
    ),
    "the oldest segment's blocks are removed": (
        ["delete from {audit_block} where block_no <= 4"],
        {"block_missing": 1},
        ("block_missing", "audit_block", 1, None, None),
    ),
    "a segment's blocks are removed and the later ones renumbered": (
        [
            "delete from {audit_block} where segment = 'a-lineage'",
            "update {audit_block} set block_no = block_no - 4 where block_no > 8",
        ],
        {"block_edited": 4, "block_relinked": 1},
        ("block_edited", "audit_block", 5, None, None),
    ),
    "a block is written twice": (
        ["insert into {audit_block} select * from {audit_block} where block_no = 6"],
        {"block_misnumbered": 1, "block_set_incomplete": 1},
        ("block_misnumbered", "audit_block", 6, None, None),
    ),
    "a block loses its number": (
        ["update {audit_block} set block_no = null where block_no = 1"],
        {"block_misnumbered": 1, "block_edited": 1, "block_missing": 1},
        ("block_misnumbered", "audit_block", 0, None, None),
    ),
    "all blocks are removed": (
        ["delete from {audit_block}"],
        {"nothing_sealed": 1},
        ("nothing_sealed", "audit_block", None, None, None),
    ),
}


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
