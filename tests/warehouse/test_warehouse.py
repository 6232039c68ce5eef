"""What a warehouse promises, on each engine, with values that break careless code."""

import hashlib
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_audit.errors import WarehouseError
from batch_audit.warehouses import Warehouse
from tests.support.project import Project
from tests.support.target import Target

NASTY = [
    "", "'", "''", '"', "\\", "\\\\", "\\N", "\\.", "\t", "\n", "\r\n", "NULL", "a\\tb", "%s %(x)s {} {{ x }}",
    "$1 ?", "$$", "🙂", "e\u0301 é", "\u202e", "\x01\x1f\x7f", "--", "/*", ";", "~|~N", " a ",
    "'; drop table audit_event; --", "\ufeff", "\U0010ffff", "x" * 100_000,
]  # fmt: skip


@pytest.fixture
def warehouse(make_project: Callable[..., Project], warehouse_target: Target) -> Iterator[Warehouse]:
    warehouse_target.query('create schema "shop_audit"')
    warehouse_target.query('create table "shop_audit"."sample" (n bigint, "a ""quoted"" text" text)')
    opened = make_project(installed=False, hook=False).warehouse()
    yield opened
    opened.close()


COLUMNS = ["n", 'a "quoted" text']


def stored(warehouse: Warehouse) -> list[tuple[int | None, str | None]]:
    """The sample table's rows in order of n."""
    return [
        tuple(row.values())
        for row in warehouse.query(f"select * from {warehouse.table('sample')} order by n")
    ]


def test_inserted_values_come_back_as_they_were(warehouse: Warehouse) -> None:
    rows: list[tuple[int | None, str | None]] = list(enumerate([*NASTY, None]))

    warehouse.insert("sample", COLUMNS, rows)

    assert stored(warehouse) == rows


def test_columns_without_any_value_are_inserted_as_null(warehouse: Warehouse) -> None:
    warehouse.insert("sample", COLUMNS, [(None, None), (None, None)])

    assert stored(warehouse) == [(None, None), (None, None)]


def test_integers_keep_all_64_bits(warehouse: Warehouse) -> None:
    warehouse.insert("sample", COLUMNS, [(-(2**63), "low"), (2**63 - 1, "high")])

    assert stored(warehouse) == [(-(2**63), "low"), (2**63 - 1, "high")]


def test_inserting_nothing_does_nothing(warehouse: Warehouse) -> None:
    warehouse.insert("sample", COLUMNS, [])

    assert stored(warehouse) == []


def test_an_insert_that_fails_leaves_no_row(warehouse: Warehouse) -> None:
    rows = [(n, "fine") for n in range(20_000)] + [(2**63, "one too many")]

    with pytest.raises(WarehouseError):
        warehouse.insert("sample", COLUMNS, rows)

    assert stored(warehouse) == []


def test_a_row_of_the_wrong_width_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="values"):
        warehouse.insert("sample", COLUMNS, [(1, "fine"), (2,)])

    assert stored(warehouse) == []


def test_a_missing_table_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="audit_nothing"):
        warehouse.insert("audit_nothing", COLUMNS, [(1, "x")])


@pytest.mark.parametrize("text", NASTY)
def test_a_literal_yields_its_text(warehouse: Warehouse, text: str) -> None:
    assert warehouse.query(f"select {warehouse.literal(text)} as t") == [{"t": text}]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_any_text_survives_literal_and_hash(warehouse: Warehouse, text: str) -> None:
    literal = warehouse.literal(text)

    found = warehouse.query(f"select {literal} as t, {warehouse.sha256_hex(literal)} as h")

    assert found == [{"t": text, "h": hashlib.sha256(text.encode()).hexdigest()}]


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_duckdb_keeps_the_nul_character(warehouse: Warehouse) -> None:
    text = "a\x00'b\x00"

    warehouse.insert("sample", COLUMNS, [(1, text)])
    warehouse.execute(f"insert into {warehouse.table('sample')} values (2, {warehouse.literal(text)})")

    assert stored(warehouse) == [(1, text), (2, text)]
    assert warehouse.storable(text) == text


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_postgres_refuses_the_nul_character_and_says_what_to_do(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match=r"U\+0000.*storable"):
        warehouse.insert("sample", COLUMNS, [(1, "a\x00b")])
    with pytest.raises(WarehouseError, match=r"U\+0000.*storable"):
        warehouse.literal("a\x00b")

    assert stored(warehouse) == []
    assert warehouse.storable("a\x00b") == "a\ufffdb"


def test_a_lone_surrogate_is_refused_and_made_storable(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError):
        warehouse.insert("sample", COLUMNS, [(1, "a\udc80b")])

    warehouse.insert("sample", COLUMNS, [(1, warehouse.storable("a\udc80b🙂"))])

    assert stored(warehouse) == [(1, "a\ufffdb🙂")]


def test_stream_gives_all_rows_in_order_in_lists_of_the_size(warehouse: Warehouse) -> None:
    batches = list(warehouse.stream("select n from generate_series(1, 25) as g(n) order by n", size=10))

    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert [row[0] for batch in batches for row in batch] == list(range(1, 26))


def test_stream_of_nothing_is_empty(warehouse: Warehouse) -> None:
    assert list(warehouse.stream(f"select * from {warehouse.table('sample')}")) == []


def test_other_statements_may_run_while_a_stream_is_read(warehouse: Warehouse) -> None:
    seen = 0
    for batch in warehouse.stream("select n from generate_series(1, 30) as g(n)", size=10):
        seen += len(batch)
        with warehouse.transaction():
            warehouse.insert("sample", COLUMNS, [(seen, "seen")])

    assert [n for n, _ in stored(warehouse)] == [10, 20, 30]


def test_a_stream_in_a_transaction_sees_its_rows(warehouse: Warehouse) -> None:
    with warehouse.transaction():
        warehouse.insert("sample", COLUMNS, [(1, "mine")])
        assert list(warehouse.stream(f"select n from {warehouse.table('sample')}")) == [[(1,)]]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_streams_of_one_transaction_can_be_read_side_by_side(warehouse: Warehouse) -> None:
    with warehouse.transaction():
        sides = (
            warehouse.stream(f"select n from generate_series({n}, {n + 9}) as g(n)", 5) for n in (1, 101)
        )
        pairs = list(zip(*sides, strict=True))

    assert [(left[0], right[0]) for left, right in pairs] == [((1,), (101,)), ((6,), (106,))]


def test_an_abandoned_stream_does_not_keep_the_warehouse_busy(warehouse: Warehouse) -> None:
    stream = warehouse.stream("select n from generate_series(1, 100000) as g(n)", size=10)
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    warehouse.insert("sample", COLUMNS, [(1, "after")])

    assert stored(warehouse) == [(1, "after")]


def test_a_wrong_query_in_a_stream_is_an_error_with_the_statement(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="statement: select nothing_like_this"):
        list(warehouse.stream("select nothing_like_this"))


def test_a_transaction_commits_at_its_end(warehouse: Warehouse, warehouse_target: Target) -> None:
    with warehouse.transaction():
        warehouse.insert("sample", COLUMNS, [(1, "a")])
        warehouse.insert("sample", COLUMNS, [(2, "b")])

    warehouse.close()
    assert warehouse_target.query('select n from "shop_audit"."sample" order by n') == [{"n": 1}, {"n": 2}]


def test_a_transaction_rolls_back_all_its_statements(warehouse: Warehouse) -> None:
    with pytest.raises(RuntimeError, match="halfway"), warehouse.transaction():
        warehouse.insert("sample", COLUMNS, [(1, "a")])
        warehouse.execute(f"create table {warehouse.table('other')} (n bigint)")
        raise RuntimeError("halfway")

    assert stored(warehouse) == []
    with pytest.raises(WarehouseError):
        warehouse.query(f"select * from {warehouse.table('other')}")


def test_a_refused_statement_rolls_back_and_the_connection_stays_usable(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="no_such_column"), warehouse.transaction():
        warehouse.insert("sample", COLUMNS, [(1, "a")])
        warehouse.execute("select no_such_column")

    warehouse.insert("sample", COLUMNS, [(2, "b")])
    assert stored(warehouse) == [(2, "b")]


def test_a_snapshot_reads_one_state_only(warehouse: Warehouse, warehouse_target: Target, engine: str) -> None:
    warehouse.insert("sample", COLUMNS, [(1, "before")])
    with warehouse.snapshot():
        assert [n for n, _ in stored(warehouse)] == [1]
        if engine == "postgres":
            warehouse_target.query('insert into "shop_audit"."sample" values (2)')
        assert [n for n, _ in stored(warehouse)] == [1]
        assert list(warehouse.stream(f"select n from {warehouse.table('sample')}")) == [[(1,)]]

    warehouse.insert("sample", COLUMNS, [(3, "writing is allowed again")])
    assert {1, 3} <= {n for n, _ in stored(warehouse)}


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_connection_lost_in_a_transaction_is_the_error_that_is_reported(
    warehouse: Warehouse, warehouse_target: Target
) -> None:
    backend = warehouse.query("select pg_backend_pid() as pid")[0]["pid"]
    with pytest.raises(WarehouseError, match=r"(terminating|closed the) connection"), warehouse.transaction():
        warehouse.insert("sample", COLUMNS, [(1, "lost")])
        warehouse_target.query(f"select pg_terminate_backend({backend}, 5000)")
        warehouse.insert("sample", COLUMNS, [(2, "lost")])

    assert warehouse_target.query('select * from "shop_audit"."sample"') == []
    warehouse.close()


def test_transactions_do_not_nest(warehouse: Warehouse) -> None:
    with warehouse.transaction():
        warehouse.insert("sample", COLUMNS, [(1, "a")])
        with pytest.raises(WarehouseError, match="do not nest"), warehouse.transaction():
            pass

    assert stored(warehouse) == [(1, "a")]


def test_outside_a_transaction_statements_commit_by_themselves(
    warehouse: Warehouse, warehouse_target: Target
) -> None:
    warehouse.execute(f"insert into {warehouse.table('sample')} values (1, 'a'); select 1")

    warehouse.close()
    assert warehouse_target.query('select n from "shop_audit"."sample"') == [{"n": 1}]


def test_concatenation_follows_the_order_and_the_collation_given(warehouse: Warehouse) -> None:
    warehouse.insert("sample", COLUMNS, [(3, "c"), (1, "a"), (2, "b")])
    joined = warehouse.ordered_concat('"a ""quoted"" text"', "n desc")

    assert warehouse.query(f"select {joined} as t from {warehouse.table('sample')}") == [{"t": "cba"}]


def test_the_store_exists_only_with_its_tables(warehouse: Warehouse) -> None:
    assert not warehouse.store_exists()

    for name in ("audit_segment", "audit_event", "audit_block"):
        warehouse.execute(f"create table {warehouse.table(name)} (segment text)")

    assert warehouse.store_exists()


def test_a_closed_warehouse_says_so(warehouse: Warehouse) -> None:
    warehouse.close()
    warehouse.close()

    with pytest.raises(WarehouseError, match="closed"):
        warehouse.query("select 1 as n")


def test_the_seal_lock_is_held_until_the_transaction_ends(
    make_project: Callable[..., Project], warehouse: Warehouse, engine: str
) -> None:
    if engine == "duckdb":
        with warehouse.transaction():
            warehouse.seal_lock()
            assert stored(warehouse) == []
        return
    other = make_project("other", installed=False, hook=False).warehouse()
    seen: list[list[tuple[int | None, str | None]]] = []

    def seal_after_the_first() -> None:
        with other.transaction():
            other.seal_lock()
            seen.append(stored(other))

    second = threading.Thread(target=seal_after_the_first)
    with warehouse.transaction():
        warehouse.seal_lock()
        second.start()
        second.join(timeout=0.5)
        assert second.is_alive(), "the second seal did not wait for the first"
        warehouse.insert("sample", COLUMNS, [(1, "sealed first")])
    second.join(timeout=30)
    other.close()

    assert seen == [[(1, "sealed first")]]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_the_seal_lock_is_the_one_that_the_macros_take(
    warehouse: Warehouse, warehouse_target: Target
) -> None:
    digest = "encode(sha256(convert_to('batch_audit:shop_audit', 'UTF8')), 'hex')"
    key = f"('x' || substr({digest}, 1, 16))::bit(64)::bigint"
    with warehouse.transaction():
        warehouse.seal_lock()
        assert warehouse_target.query(f"select pg_try_advisory_lock({key}) as free") == [{"free": False}]

    assert warehouse_target.query(f"select pg_try_advisory_lock({key}) as free") == [{"free": True}]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_segment_that_somebody_writes_to_is_waited_for(
    make_project: Callable[..., Project], warehouse: Warehouse
) -> None:
    writer = make_project("writer", installed=False, hook=False).warehouse()
    digest = "encode(sha256(convert_to('batch_audit:segment:busy', 'UTF8')), 'hex')"
    key = f"('x' || substr({digest}, 1, 16))::bit(64)::bigint"
    pid = writer.query("select pg_backend_pid() as pid")[0]["pid"]
    with writer.transaction():
        writer.query(f"select pg_advisory_xact_lock_shared({key})")
        with warehouse.transaction():
            held = warehouse.wait_for_writers(["busy", "idle"], patience=0.3)
        assert list(held) == ["busy"]
        assert held["busy"].startswith(f"Postgres session {pid} (user ")

    with warehouse.transaction():
        assert warehouse.wait_for_writers(["busy", "idle"]) == {}
        assert writer.query(f"select pg_try_advisory_lock_shared({key}) as free") == [{"free": False}]
    assert writer.query(f"select pg_try_advisory_lock_shared({key}) as free") == [{"free": True}]
    writer.close()
