"""Tables that somebody edits behind dbt's back, and the fingerprints by which that is seen."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.history.as_of import write_as_of
from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

META = "meta={'audit_capture': 'changes', 'audit_key': 'id', 'audit_ignore': 'seen'}"
FEED = "select id, note, amount, 'x' as seen from raw.feed"
TABLE = f"{{{{ config(materialized='table', {META}) }}}} {FEED}"
INCREMENTAL = f"{{{{ config(materialized='incremental', unique_key='id', {META}) }}}} {FEED}"
NEWER = " {% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}"
EDITS = {
    "edited": "update {} set note = 'forged' where id = 2",
    "shortened": "delete from {} where id = 1",
    "extended": "insert into {} values (99, 'forged', 1, 'x')",
    "swapped": "update {} set note = case id when 1 then 'two' else 'one' end where id in (1, 2)",
    "edited_where_ignored": "update {} set seen = 'forged'",
    "left_alone": "update {} set note = note",
}
FILES = {
    **{f"models/{name}.sql": TABLE for name in EDITS},
    "models/grown.sql": INCREMENTAL + NEWER,
    "models/paused.sql": TABLE.replace("'changes'", "var('capture', 'changes')"),
    "models/retyped.sql": TABLE.replace("amount,", "{{ var('amount', 'amount') }} as amount,"),
    "seeds/planted.csv": "id,note\n1,one\n2,two\n",
    "seeds/planted.yml": "seeds: [{name: planted, config: {meta: {audit_capture: changes, audit_key: id}}}]",
}


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    """Three builds: the second finds what was done to the tables after the first, the third what the second left."""
    folder = tmp_path_factory.mktemp("out_of_band")
    config = {"dispatch": DISPATCH, "models": {"+post-hook": HOOK}}
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target, files=FILES, config=config)
        project.query("create schema raw")
        project.query(
            "create table raw.feed as select * from (values (1, 'one', 1.5), (2, 'two', null)) as v(id, note, amount)"
        )
        for build in range(3):
            variables = "{amount: 'cast(amount as varchar(20))', capture: %s}" if build else "{}"
            variables = variables.replace("%s", "'off'" if build == 1 else "changes")
            forks.dbt(project, "build", "--threads", "2", "--vars", variables)
            if build == 0:
                for name, edit in EDITS.items():
                    project.query(edit.format(f'"{target.schema}".{name}'))
                project.query(f"update \"{target.schema}\".planted set note = 'forged' where id = 1")
                project.query(f"update \"{target.schema}\".retyped set note = 'forged' where id = 1")
            project.query(f"insert into raw.feed values ({build + 3}, 'three', 2.5)")
        yield Trail(project)


def found(trail: Trail, node: str) -> list[dict[str, Any]]:
    return trail.events(event_type="out_of_band_change", target=node)


@pytest.mark.parametrize("name", ["edited", "shortened", "extended", "swapped"])
def test_an_edit_behind_dbts_back_is_an_event_once(trail: Trail, name: str) -> None:
    (event,) = found(trail, trail.node(name))
    invocations = trail.invocations()
    assert event["invocation_id"] == invocations[1]
    told = event["metadata"]
    rows = {"shortened": 1, "extended": 3}.get(name, 2)
    assert (told["expected"]["rows"], told["found"]["rows"]) == (2, rows)
    first = trail.capture(name, invocations[0])
    assert told["expected"]["fingerprint"] == first["fingerprint"] != told["found"]["fingerprint"]
    assert told["capture_no"] == 1
    assert told["since"] < told["until"] == event["occurred_at"]
    assert name in told["relation"]


def test_a_seed_that_was_edited_is_found_as_well(trail: Trail) -> None:
    (event,) = found(trail, "seed.shop.planted")
    assert event["metadata"]["found"]["rows"] == 2


@pytest.mark.parametrize("name", ["edited_where_ignored", "left_alone", "grown"])
def test_what_is_as_it_was_left_is_not_accused(trail: Trail, name: str) -> None:
    assert found(trail, trail.node(name)) == []


def test_a_build_that_did_not_ask_for_capture_is_no_edit_and_breaks_the_history(trail: Trail) -> None:
    assert found(trail, trail.node("paused")) == []
    assert [trail.capture("paused", it).get("capture_no") for it in trail.invocations()] == [1, None, 2]
    with closing(trail.project.warehouse()) as warehouse:
        first = trail.events(event_type="batch_start")[0]["batch_id"]
        into = f"{trail.project.target.schema}.then"
        with pytest.raises(ConfigurationError, match="was not captured: it did not ask for it"):
            write_as_of(warehouse, "paused", first, into, from_baseline=False, replace=True)


def test_after_a_change_of_columns_nothing_is_said(trail: Trail) -> None:
    """The second build finds the first's columns and the edit; the third finds the second's, and nothing."""
    assert [event["invocation_id"] for event in found(trail, trail.node("retyped"))] == [
        trail.invocations()[1]
    ]


def test_a_fingerprint_that_is_carried_forward_is_that_of_the_whole_table(trail: Trail) -> None:
    for invocation in trail.invocations():
        grown, whole = trail.capture("grown", invocation), trail.capture("left_alone", invocation)
        assert grown["fingerprint"] == whole["fingerprint"]
        assert (grown["rows_after"], grown["scope"]) == (
            whole["rows_after"],
            "all rows" if invocation == trail.invocations()[0] else "touched rows",
        )
        assert grown["fingerprint_engine"].split()[0] == trail.project.target.engine
