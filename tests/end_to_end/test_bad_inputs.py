"""Inputs that a model declares and has not: what is refused, what the message says, and what may never fail."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.forked import Forks
from tests.support.project import write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

SOURCES = """
version: 2
sources:
  - {name: raw, schema: raw, tables: [{name: orders}, {name: gone}]}
  - {name: old, schema: old, tables: [{name: orders}]}
"""
FROM = "select id from {{ source('raw', 'orders') }} where id > 1"
# model: (further meta, SQL, what the error says)
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "not_read": (
        {"audit_inputs": ["nope", "orders"]}, FROM,
        "not_read: cannot capture changes, its audit_inputs names nope, which the model does not read.",
    ),
    "no_column": (
        {"audit_inputs": {"raw.orders": "nr"}}, FROM, "names raw.orders, which has no column nr.",
    ),
    "too_few": (
        {"audit_key": ["id", "note"], "audit_inputs": {"orders": "id"}},
        FROM.replace("id from", "id, note from"), "names raw.orders with 1 of the 2 columns of the key.",
    ),
    "two_of_a_name": (
        {"audit_inputs": "orders"},
        FROM + " union all select id + 100 from {{ source('old', 'orders') }}",
        "names orders, which may be source.shop.old.orders or source.shop.raw.orders.",
    ),
    "twice": ({"audit_inputs": ["orders", "raw.orders"]}, FROM, "names raw.orders, which orders names, too."),
    "a_number": ({"audit_inputs": 7}, FROM, "names 7, which the model does not read."),
    "no_columns": ({"audit_inputs": {"orders": 7}}, FROM, "names orders, with something else than a column"),
    "nested": ({"audit_inputs": [{"orders": "id"}]}, FROM, "which the model does not read."),
    "both_wrong": (
        {"audit_inputs": {"nope": "id", "orders": "nr"}}, FROM,
        "names nope, which the model does not read; and raw.orders, which has no column nr.",
    ),
    "not_there": (
        {"audit_inputs": "gone"}, "-- depends_on: {{ source('raw', 'gone') }}\nselect 1 as id",
        "names raw.gone, and there is no table or view",
    ),
    "hostile": (
        {"audit_inputs": {"orders": "id\"); drop table canary; --"}}, FROM, "which has no column id",
    ),
    "bad_number": ({"audit_max_skips": -1}, FROM, "its audit_max_skips is -1.\n"),
    "bad_reads": ({"audit_reads": "all"}, FROM, "its audit_reads is all.\n"),
}  # fmt: skip
# Models that say nothing of their inputs, with what their capture says of them.
SILENT = {
    "forced": (
        "-- depends_on: {{ source('raw', 'gone') }}\nselect 1 as id",
        "raw.gone, and there is no table or view",
    ),
    "other_name": (
        FROM.replace("id from", "id as order_id from"),
        "raw.orders, which has no column order_id",
    ),
    "no_input": ("select 1 as id", "audit_inputs names no input, and the model reads 0 inputs"),
}
WARNED = {"warned": ({"audit_inputs": "nope", "audit_on_error": "warn"}, FROM)}


def model(sql: str, meta: dict[str, Any]) -> str:
    key = "order_id" if "order_id" in sql else "id"
    said = {"audit_capture": "changes", "audit_key": key} | meta
    return f"{{{{ config(materialized='table', meta={said!r}) }}}}\n{sql}"


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    folder = tmp_path_factory.mktemp("bad_inputs")
    with database(request.param, folder) as target:
        files = {f"models/{name}.sql": model(sql, meta) for name, (meta, sql, _) in REFUSED.items()}
        files |= {f"models/{name}.sql": model(sql, {}) for name, (sql, _) in SILENT.items()}
        files |= {f"models/{name}.sql": model(sql, meta) for name, (meta, sql) in WARNED.items()}
        project = write_project(folder / "project", target, files=files | {"models/sources.yml": SOURCES})
        for schema in ("raw", "old"):
            project.query(f"create schema {schema}")
            project.query(
                f"create table {schema}.orders as select 1 as id, 'a' as note union all select 2, 'b'"
            )
        project.query("create table raw.canary as select 1 as id")
        forks.dbt(project, "run", expect=1)
        yield Trail(project)


@pytest.mark.parametrize("name", REFUSED)
def test_a_declaration_that_cannot_be_followed_fails_the_model_and_says_why(trail: Trail, name: str) -> None:
    status, error = trail.outcome(name)
    assert status == "error" and error is not None
    assert f"{name}: cannot capture changes, its " in error
    assert REFUSED[name][2] in error
    tables = trail.project.query(
        "select table_name from information_schema.tables where table_schema = 'shop'"
    )
    assert name not in {row["table_name"] for row in tables}
    assert trail.events(target=trail.node(name), part=trail.node(name)) == []


def test_the_error_says_what_may_be_written(trail: Trail) -> None:
    error = trail.outcome("not_read")[1] or ""
    assert "The model reads: raw.orders. Its key is id." in error
    assert "Under meta write audit_inputs: {input: [its columns for that key]}" in error


@pytest.mark.parametrize("name", SILENT)
def test_an_input_that_nobody_named_never_fails_a_model(trail: Trail, name: str) -> None:
    assert trail.outcome(name)[0] == "success"
    assert trail.capture(name)["inputs_note"].startswith(SILENT[name][1])
    assert trail.events(event_type="record_read", target=trail.node(name)) == []


def test_a_model_that_may_pass_is_not_captured_and_says_why(trail: Trail) -> None:
    assert trail.outcome("warned")[0] == "success"
    assert trail.not_captured("warned") == ["its audit_inputs names nope, which the model does not read"]


def test_nothing_of_a_declaration_reaches_the_sql(trail: Trail) -> None:
    assert trail.project.query("select id from raw.canary") == [{"id": 1}]
