"""Canonical text in SQL made by Python, and back: against the golden values, to the byte, on each engine."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batch_audit.warehouses import Warehouse
from tests.support.golden import golden
from tests.support.project import Project
from tests.support.target import Target

NAMES = ("a", "A b", "it's", 'q"q', "a/b~c~0", "$.x", "back\\slash", "naïve 🙂", "a.b[0]", "")


@pytest.fixture
def warehouse(make_project: Callable[..., Project], warehouse_target: Target) -> Iterator[Warehouse]:
    opened = make_project(installed=False, hook=False).warehouse()
    yield opened
    opened.close()


def test_a_value_becomes_its_text_and_its_text_becomes_the_value(engine: str, warehouse: Warehouse) -> None:
    wrong: dict[str, Any] = {}
    for vector in golden("values"):
        if engine not in vector:
            continue
        kind, sql = vector[engine]["type"], vector[engine]["sql"]
        text = vector["text"][engine] if isinstance(vector["text"], dict) else vector["text"]
        written = warehouse.values.canonical_text("x", kind)
        back = warehouse.values.from_canonical("t", kind)
        again = warehouse.values.canonical_text("y", kind)
        query = (
            f"select t, {again} as again from (select t, {back} as y from"
            f" (select {written} as t from (select {sql} as x) as v) as w) as z"
        )
        found = warehouse.query(query)[0]
        if (found["t"], found["again"]) != (text, text):
            wrong[vector["name"]] = (text, found)
    assert wrong == {}


def test_members_of_a_json_object_are_read_whatever_their_names(warehouse: Warehouse) -> None:
    from batch_audit.ledger.text import values_json

    values = {name: f"value of {name}" for name in NAMES} | {"none": None}
    names = [*NAMES, "none", "missing"]
    fields, members = warehouse.values.json_fields(warehouse.literal(values_json(values)), names, "f")
    columns = ", ".join(f"{member} as m{place}" for place, member in enumerate(members))
    row = warehouse.query(f"select {columns} from (select {fields} as f) as x")[0]
    assert list(row.values()) == [values.get(name) for name in names]


# Midnight in Berlin is 22:00 UTC in summer.
MOMENTS = {
    "date '2026-07-01'": (1_782_864_000_000_000, 1_782_856_800_000_000),
    "timestamp '2026-07-01 00:00:00.000001'": (1_782_864_000_000_001, 1_782_856_800_000_001),
    "timestamp with time zone '2026-07-01 00:00:00.000001+00'": (
        1_782_864_000_000_001,
        1_782_864_000_000_001,
    ),
    "timestamp '1969-12-31 23:59:59.999999'": (-1, -3_600_000_001),
    "timestamp '9999-12-31 00:00:00'": (253_402_214_400_000_000, 253_402_210_800_000_000),
}


@pytest.mark.parametrize("sql", MOMENTS)
def test_a_time_is_microseconds_of_utc_or_of_the_sessions_zone(warehouse: Warehouse, sql: str) -> None:
    kind = "date" if sql.startswith("date") else sql[: sql.index("'")].strip()
    found = []
    with warehouse.transaction():
        warehouse.execute("set timezone = 'Europe/Berlin'")
        for local in (False, True):
            microseconds = warehouse.values.microseconds("x", kind, local=local)
            found.append(warehouse.query(f"select {microseconds} as n from (select {sql} as x) as v")[0]["n"])
    assert tuple(found) == MOMENTS[sql]


def test_what_is_no_time_has_no_microseconds(warehouse: Warehouse) -> None:
    for kind in ("integer", "text", "varchar", "time", "interval", "boolean"):
        assert warehouse.values.microseconds("x", kind, local=True) is None
