"""audit_reconcile_every: incremental models whose whole is compared before every Nth run touches a part of it."""

from collections.abc import Iterator

import pytest

from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

FEED = "select id, note from raw.feed"
NEWER = " {%% if is_incremental() %%} where id >= (select max(id) from {{ this }}) {%% endif %%}"
META = "{'audit_capture': 'changes', 'audit_key': 'id'%s}"
EVERY = META % ", 'audit_reconcile_every': %s"
GROWN = "{{ config(materialized='incremental', unique_key='id', meta=%s) }} " + FEED + NEWER
SNAPSHOT = (
    "{%% snapshot snapped %%} {{ config(unique_key='id', strategy='check', check_cols='all', meta=%s) }} "
    + FEED + "{%% endsnapshot %%}"
)  # fmt: skip
FILES = {
    "models/edited.sql": GROWN % (EVERY % 2),
    "models/extended.sql": GROWN % (EVERY % 1),
    "models/left_alone.sql": GROWN % (EVERY % 1),
    "models/not_asked.sql": GROWN % (META % ""),
    "snapshots/snapped.sql": SNAPSHOT % (EVERY % 2),
}
BUILDS = 5


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    """Five builds. After the second, somebody edits a row that no later run touches."""
    folder = tmp_path_factory.mktemp("reconcile_every")
    config = {"dispatch": DISPATCH, "models": {"+post-hook": HOOK}}
    with database(request.param, folder) as target:
        project = write_project(
            folder / "project", target, files=FILES, config=config, variables={"build": 1}
        )
        project.query("create schema raw")
        project.query("create table raw.feed as select * from (values (1, 'one'), (2, 'two')) as v(id, note)")
        for build in range(BUILDS):
            forks.dbt(project, "build", "--threads", "2")
            if build == 1:
                for name in ("edited", "not_asked", "snapped"):
                    project.query(f"update \"{target.schema}\".{name} set note = 'forged' where id = 1")
                project.query(f"insert into \"{target.schema}\".extended values (-1, 'forged')")
            project.query(f"insert into raw.feed values ({build + 3}, 'more')")
        yield Trail(project)


def verdicts(trail: Trail, name: str) -> list[str | None]:
    return [trail.capture(name, invocation)["reconciled"] for invocation in trail.invocations()]


def test_an_edit_that_no_run_touches_is_found_by_the_nth_capture_and_told_once(trail: Trail) -> None:
    """The fourth capture is the first even one after the edit, and the third of a model that is read every time."""
    for name, places in (("edited", [3]), ("extended", [2])):
        found = trail.events(event_type="out_of_band_change", target=trail.node(name))
        assert [event["invocation_id"] for event in found] == [trail.invocations()[place] for place in places]
    (event,) = trail.events(event_type="out_of_band_change", target=trail.node("extended"))
    told = event["metadata"]
    assert (told["expected"]["rows"], told["found"]["rows"], told["capture_no"]) == (3, 4, 2)
    assert verdicts(trail, "edited") == [None, "unchanged", None, "changed", None]
    assert verdicts(trail, "extended") == [None, "unchanged", "changed", "unchanged", "unchanged"]


def test_a_snapshots_valid_rows_are_compared_as_well(trail: Trail) -> None:
    (event,) = trail.events(event_type="out_of_band_change", target="snapshot.shop.snapped")
    assert event["metadata"]["expected"]["rows"] == event["metadata"]["found"]["rows"]


@pytest.mark.parametrize("name", ["left_alone", "not_asked"])
def test_nothing_else_is_accused(trail: Trail, name: str) -> None:
    assert trail.events(event_type="out_of_band_change", target=trail.node(name)) == []
    asked = name == "left_alone"
    assert verdicts(trail, name) == [None, *(["unchanged" if asked else None] * (BUILDS - 1))]


def test_what_is_carried_on_is_what_is_there(trail: Trail, forks: Forks) -> None:
    for name in ("edited", "extended", "left_alone"):
        forks.batch_audit(trail.project, "reconcile", name, expect=0)
    forks.batch_audit(trail.project, "reconcile", "not_asked", expect=1)


@pytest.mark.parametrize("bad", ["0", "-1", "1.5", "'three'", "true", "[2]"])
def test_what_is_no_number_of_captures_is_refused(trail: Trail, forks: Forks, bad: str) -> None:
    """The last of the tests: it changes the project."""
    meta = f"{{audit_capture: changes, audit_key: id, audit_reconcile_every: {bad}}}"
    trail.project.write(
        "models/bad.yml", f"models: [{{name: bad, config: {{materialized: table, meta: {meta}}}}}]"
    )
    trail.project.write("models/bad.sql", FEED)
    done = forks.dbt(trail.project, "run", "--select", "bad", expect=1)
    said = " ".join(done.output.split())
    assert "bad: audit_reconcile_every is '" in said and "Write a whole number from 1" in said
