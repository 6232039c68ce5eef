"""Incremental models whose columns change, by each mode of on_schema_change; Python models; builds that fail."""

from collections.abc import Iterator

import pytest

from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, write_project
from tests.support.trail import Change, Trail, database

pytestmark = pytest.mark.slow

META = "meta={'audit_capture': 'changes', 'audit_key': 'id'}"
SECOND = "{% if is_incremental() %}"
MODES = ("ignore", "append_new_columns", "sync_all_columns", "fail")
ROWS = {
    "kept": "select * from (values (1, 'x', 'b'), (2, 'x', 'b')) as v(id, a, b)",
    "more": "select * from (values (1, 'y', 'b', 'c'), (2, 'x', 'b', null), (3, 'x', 'b', 'c')) as v(id, a, b, c)",
    "other": "select * from (values (1, 'y', 'c'), (2, 'x', null), (3, 'x', 'c')) as v(id, a, c)",
}
INCREMENTAL = "{{{{ config(materialized='incremental', unique_key='id', on_schema_change='{}', {}) }}}}"
FILES = {
    **{
        f"models/{mode}.sql": INCREMENTAL.format(mode, META)
        + f"{SECOND} {ROWS['other' if mode == 'sync_all_columns' else 'more']}"
        + f" {{% else %}} {ROWS['kept']} {{% endif %}}"
        for mode in MODES
    },
    "models/failing.sql": INCREMENTAL.format("ignore", META)
    + f"{SECOND} select 1 as id, 'y' as a, cast('x' || 1 as integer) as b {{% else %}} select 1 as id, 'x' as a, 0 as b"
    " {% endif %}",
    "models/by_line.sql": "{{ config(materialized='incremental', unique_key='a',"
    " post_hook='{{ batch_audit.capture_changes(key=\"id\") }}') }}"
    + f"{SECOND} select 1 as id, 'x' as a union all select 3, 'z' {{% else %}} select 2 as id, 'x' as a {{% endif %}}",
    "seeds/by_line_too.csv": "id,a\n1,x\n",
    "seeds/by_line_too.yml": "seeds: [{name: by_line_too, config: {post_hook: '{{ batch_audit.capture_changes() }}'}}]",
    "models/was_a_view.sql": "{{ config(materialized=var('kind', 'view'), "
    + META
    + ") }} select 1 as id, 'a' as a",
}
PYTHON = """
def model(dbt, session):
    dbt.config(materialized="table", meta={"audit_capture": "changes", "audit_key": "id"})
    return session.sql("select * from raw.feed")
"""


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    """Two builds; the former view is an incremental model in the second."""
    folder = tmp_path_factory.mktemp("incremental_columns")
    python = {"models/in_python.py": PYTHON} if request.param == "duckdb" else {}
    with database(request.param, folder) as target:
        project = write_project(
            folder / "project", target, files=FILES | python,
            config={"dispatch": DISPATCH, "models": {"+post-hook": HOOK}},
        )  # fmt: skip
        project.query("create schema raw")
        project.query("create table raw.feed as select 1 as id, 'x' as a")
        forks.dbt(project, "build")
        project.query("insert into raw.feed values (2, 'y')")
        forks.dbt(project, "run", "--vars", "{kind: incremental}", expect=1)
        yield Trail(project)


EXPECTED = {
    "ignore": {
        "1": Change("update", ("a",), {"a": "x", "b": "b", "id": "1"}, {"a": "y", "b": "b", "id": "1"}),
        "3": Change("insert", None, None, {"a": "x", "b": "b", "id": "3"}),
    },
    "append_new_columns": {
        "1": Change(
            "update", ("a", "c"), {"a": "x", "b": "b", "id": "1"}, {"a": "y", "b": "b", "c": "c", "id": "1"}
        ),
        "3": Change("insert", None, None, {"a": "x", "b": "b", "c": "c", "id": "3"}),
    },
    "sync_all_columns": {
        "1": Change(
            "update", ("a", "b", "c"), {"a": "x", "b": "b", "id": "1"}, {"a": "y", "c": "c", "id": "1"}
        ),
        "2": Change("update", ("b",), {"a": "x", "b": "b", "id": "2"}, {"a": "x", "c": None, "id": "2"}),
        "3": Change("insert", None, None, {"a": "x", "c": "c", "id": "3"}),
    },
}


@pytest.mark.parametrize("mode", EXPECTED)
def test_the_changes_are_those_of_the_table_as_its_columns_became(trail: Trail, mode: str) -> None:
    assert trail.changes(mode) == EXPECTED[mode]
    changes = trail.events(event_type="schema_change", target=trail.node(mode))
    added = {"ignore": [], "append_new_columns": [["c"]], "sync_all_columns": [["c"]]}[mode]
    assert [change["metadata"]["added"] for change in changes] == added
    capture = trail.capture(mode)
    assert (capture["capture_no"], capture["rows_before"], capture["rows_after"]) == (2, 2, 3)


@pytest.mark.parametrize("name", ["fail", "failing"])
def test_a_build_that_fails_records_no_change(trail: Trail, name: str) -> None:
    assert trail.outcome(name)[0] == "error"
    assert trail.changes(name) == {}
    assert trail.capture(name)["capture_no"] == 1


def test_a_line_in_the_model_captures_by_its_own_key(trail: Trail) -> None:
    assert trail.changes("by_line") == {
        "1": Change("insert", None, None, {"a": "x", "id": "1"}),
        "2": Change("delete", None, {"a": "x", "id": "2"}, None),
        "3": Change("insert", None, None, {"a": "z", "id": "3"}),
    }
    (refused,) = trail.events(event_type="not_captured", target="seed.shop.by_line_too")
    assert "meta asks for it" in refused["metadata"]["reason"]


def test_a_former_view_begins_its_history_as_an_incremental_model(trail: Trail) -> None:
    assert len(trail.not_captured("was_a_view")) == 1
    assert trail.capture("was_a_view")["mode"] == "first_build"


def test_a_python_model_is_captured_like_any_table(trail: Trail) -> None:
    if trail.project.target.engine == "postgres":
        assert trail.capture("in_python") == {}
        return
    assert trail.changes("in_python") == {"2": Change("insert", None, None, {"a": "y", "id": "2"})}


def test_the_store_proves_itself(trail: Trail) -> None:
    assert recompute.problems(trail.project) == []
