"""Fingerprints of relations: what they see whatever the values, and what they leave out."""

from collections.abc import Callable, Iterator

import pytest

from batch_audit.warehouses import Warehouse
from tests.support.project import Project
from tests.support.target import Target

ROWS = 200


@pytest.fixture
def warehouse(make_project: Callable[..., Project], warehouse_target: Target) -> Iterator[Warehouse]:
    opened = make_project(installed=False, hook=False).warehouse()
    opened.execute(f'create schema "{warehouse_target.audit_schema}"')
    opened.execute(f"create table {opened.table('sample')} (id integer, note text, amount decimal(10, 2))")
    opened.execute(
        f"insert into {opened.table('sample')} select i, 'note ' || cast(i as text), i * 1.5"
        f" from generate_series(1, {ROWS}) as g(i)"
    )
    yield opened
    opened.close()


def taken(warehouse: Warehouse, *columns: str) -> tuple[int, str]:
    found = warehouse.fingerprint(warehouse.audit_schema, "sample", columns or ("id", "note", "amount"))
    return found.rows, found.total


def test_values_that_two_rows_exchange_are_seen_in_every_pair(warehouse: Warehouse) -> None:
    """A row's hash must not be linear in its columns' hashes, or their sum stays."""
    table, before = warehouse.table("sample"), taken(warehouse)
    seen = {before}
    for low in range(1, ROWS, 2):
        swap = f"update {table} set note = 'note ' || cast({2 * low + 1} - id as text) where id in ({low}, {low + 1})"
        warehouse.execute(swap)
        seen.add(taken(warehouse))
    assert len(seen) == 1 + ROWS // 2
    assert {rows for rows, _ in seen} == {ROWS}


def test_the_order_of_the_rows_does_not_matter(warehouse: Warehouse) -> None:
    table, before = warehouse.table("sample"), taken(warehouse)
    warehouse.execute(f"create table {warehouse.table('turned')} as select * from {table} order by id desc")
    warehouse.execute(f"delete from {table}")
    assert taken(warehouse) == (0, "0")
    warehouse.execute(f"insert into {table} select * from {warehouse.table('turned')}")
    assert taken(warehouse) == before


def test_columns_that_are_not_compared_do_not_count(warehouse: Warehouse) -> None:
    before, whole = taken(warehouse, "id", "amount"), taken(warehouse)
    warehouse.execute(f"update {warehouse.table('sample')} set note = 'forged' where id = 7")
    assert taken(warehouse, "id", "amount") == before
    assert taken(warehouse) != whole


def test_the_engine_is_named_with_its_version(engine: str, warehouse: Warehouse) -> None:
    name, version = warehouse.fingerprint_engine().split(maxsplit=1)
    assert name == engine
    assert any(character.isdigit() for character in version)
