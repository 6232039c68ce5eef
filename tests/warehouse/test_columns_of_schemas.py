"""The columns of all relations of some schemas, by one query, whatever their names are."""

from collections.abc import Callable, Iterator

import pytest

from batch_audit.warehouses import Warehouse
from tests.support.project import Project


@pytest.fixture
def warehouse(make_project: Callable[..., Project]) -> Iterator[Warehouse]:
    opened = make_project(installed=False, hook=False).warehouse()
    yield opened
    opened.close()


def test_every_relation_of_the_schemas_is_there_with_its_columns_in_order(warehouse: Warehouse) -> None:
    for statement in (
        'create schema "It\'s One"',
        "create schema other",
        'create table "It\'s One"."Odd Name" (b int, "A ""quoted"" one" text)',
        'create view "It\'s One".seen as select b as c from "It\'s One"."Odd Name"',
        "create table other.thing (a int)",
    ):
        warehouse.execute(statement)
    database = warehouse.database.lower()
    assert warehouse.columns_of_schemas(["IT'S ONE", "missing"]) == {
        f"{database}.it's one.odd name": ["b", 'A "quoted" one'],
        f"{database}.it's one.seen": ["c"],
    }
    assert warehouse.columns_of_schemas([]) == {}
