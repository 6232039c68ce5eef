"""Column names that break naive SQL: spaces, quotes, reserved words, separators of our own texts, injections."""

import json
from collections.abc import Iterator

import pytest

from tests.support import recompute
from tests.support.project import write_project
from tests.support.trail import Change, Trail, database

pytestmark = pytest.mark.slow

NAMES = [
    "order id", "Order", "SELECT", "from", "user", 'a "quoted" one', "it's", "naïve_ß_日本", "🙂", "a=b", "a|b",
    "a~b", "~N", "a.b", "a,b", "100%", "%s", "{{ this }}", "{% if %}", "$$", "back\\slash", "tab\there",
    "new\nline", "control\x01", "'); drop table canary; --", '"); drop table canary; --', "/* comment", "-- comment",
    "a", "b", "c", "t", "r", "q", "s", "f", "m", "u", "element", "change_type", "record_id", "salt", "seq",
    "batch_audit_present_0", "BATCH_AUDIT_present_1", "batch_audit_record_id", "b_0", "a_1", "count", "1",
    " ", " edge ",
]  # fmt: skip
KEY = ['key "1" | ~', "Key = 2'); drop table canary; --"]
# Postgres tells these from "Order" and "naïve…"; DuckDB ignores the case of ASCII letters alone.
CASES = {"duckdb": ["É", "é", "K"], "postgres": ["É", "é", "K", "k", "order", "ORDER"]}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def table(rows: list[tuple[str, ...]], names: list[str]) -> str:
    """A model with text columns of the given names."""
    selects = []
    for row in rows:
        columns = [
            f"cast('{value}' as varchar) as {quoted(name)}" for value, name in zip(row, names, strict=True)
        ]
        selects.append(f"select {', '.join(columns)}")
    return (
        "{{ config(materialized='table') }}\n{% raw %}\n" + "\nunion all\n".join(selects) + "\n{% endraw %}"
    )


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """Two builds of `odd`: each data column is changed in a record of its own, one record comes, one goes."""
    folder = tmp_path_factory.mktemp("names")
    names = odd_names(request.param)
    with database(request.param, folder) as target:
        meta = {"audit_capture": "changes", "audit_key": KEY}
        test = {
            "name": quoted(NAMES[0]),
            "data_tests": [{"accepted_values": {"arguments": {"values": ["x"]}}}],
        }
        test |= {"config": {"meta": {}}}
        described = {"models": [{"name": "odd", "config": {"meta": meta}, "columns": [test]}]}
        project = write_project(folder / "project", target, files={"models/odd.yml": json.dumps(described)})
        project.write("models/canary.sql", "{{ config(materialized='table') }}\nselect 1 as id")
        stable = [(str(n), "k", *("old" for _ in names)) for n in range(len(names) + 1)]
        project.write("models/odd.sql", table([*stable, ("gone", "k", *("x" for _ in names))], KEY + names))
        project.dbt("run")
        changed = [
            (*row[: 2 + n], "new", *row[3 + n :]) if n < len(names) else row for n, row in enumerate(stable)
        ]
        project.write("models/odd.sql", table([*changed, ("came", "k", *("y" for _ in names))], KEY + names))
        assert project.dbt("build", check=False).returncode == 1
        yield Trail(project)


def odd_names(engine: str) -> list[str]:
    return NAMES + CASES[engine]


def test_every_changed_column_is_recorded_by_its_name(trail: Trail) -> None:
    names = odd_names(trail.project.target.engine)
    changes = trail.changes("odd")
    for n, name in enumerate(names):
        change = changes.pop(f"{n}|k")
        assert (change.kind, change.changed) == ("update", (name,))
        assert change.before and change.after
        assert (change.before[name], change.after[name]) == ("old", "new")
        assert change.before | {name: "new"} == change.after
    after = dict(zip(KEY + names, ["came", "k"] + ["y"] * len(names), strict=True))
    before = dict(zip(KEY + names, ["gone", "k"] + ["x"] * len(names), strict=True))
    assert changes == {
        "came|k": Change("insert", None, None, after),
        "gone|k": Change("delete", None, before, None),
    }


def test_values_are_compact_json_sorted_by_name(trail: Trail) -> None:
    stored = trail.project.audit("select new_value from {audit}.audit_payload where new_value like '%came%'")
    names = sorted([*KEY, *odd_names(trail.project.target.engine)])
    assert list(json.loads(stored[0]["new_value"])) == names


def test_a_capture_describes_its_columns_and_key(trail: Trail) -> None:
    capture = trail.capture("odd")
    assert capture["key"] == KEY
    assert [column["name"] for column in capture["columns"]] == KEY + odd_names(trail.project.target.engine)


def test_failing_rows_carry_the_key_of_their_record(trail: Trail) -> None:
    errors = trail.events(event_type="record_error")
    expected = {f"{n}|k" for n in range(len(odd_names(trail.project.target.engine)) + 1)} | {"came|k"}
    assert {error["record_id"] for error in errors} == expected
    assert {error["metadata"]["matched"] for error in errors} == {"value"}


def test_no_name_reached_sql_unquoted(trail: Trail) -> None:
    assert trail.project.query('select * from "shop".canary') == [{"id": 1}]
    assert recompute.problems(trail.project) == []
