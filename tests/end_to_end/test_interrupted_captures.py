"""Runs that are killed while they capture, and runs that write one relation at once: the events give the table."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, Project, write_project
from tests.support.runs import assert_proved
from tests.support.trail import database

pytestmark = pytest.mark.slow

# BATCH_AUDIT_TEST_KILLS=50 for a long run.
KILLS = int(os.environ.get("BATCH_AUDIT_TEST_KILLS", "5"))
CONFIG = {
    "dispatch": DISPATCH,
    "models": {
        "+post-hook": HOOK,
        "shop": {"+meta": {"audit_capture": "changes", "audit_key": "id", "audit_baseline": "records"}},
    },
}
INCREMENTAL = "{{ config(materialized='incremental', unique_key='id', incremental_strategy='%s') }}"
FEED = "select id, note from raw.feed"
FILES = {
    "models/whole.sql": "{{ config(materialized='table') }}" + FEED,
    "models/replaced.sql": INCREMENTAL % "delete+insert" + FEED,
    "models/merged.sql": INCREMENTAL % "merge" + FEED,
}
MODELS = ("whole", "replaced", "merged")
WRITER = (
    INCREMENTAL
    % "delete+insert"
    + "select cast(n as integer) as id, '{{ env_var('WRITER', 'nobody') }} ' || n as note from"
    " (values (1), (2), (3)) as v(n)"
)


@pytest.fixture(params=["duckdb", "postgres"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Three models over one feed of 2 000 records, built once."""
    folder = tmp_path_factory.mktemp("interrupted")
    with database(request.param, folder) as target:
        made = write_project(folder / "project", target, files=FILES, config=CONFIG)
        made.query("create schema raw")
        made.query(
            "create table raw.feed as select cast(i as integer) as id, 'first' as note"
            " from generate_series(1, 2000) as t(i)"
        )
        yield made


def replayed(project: Project, name: str) -> dict[str, str | None]:
    """The records of a model by its events alone, in the order of its captures; each must fit the one before."""
    captures = project.audit(
        "select segment, part, metadata from {audit}.audit_event where event_type = 'checkpoint' and part = target"
        f" and target = 'model.shop.{name}'"
    )
    numbers = {(row["segment"], row["part"]): json.loads(row["metadata"])["capture_no"] for row in captures}
    assert sorted(numbers.values()) == list(range(1, len(numbers) + 1))
    rows = project.audit(
        "select e.segment, e.part, e.record_id, p.old_value, p.new_value from {audit}.audit_event as e"
        " join {audit}.audit_payload as p on p.event_id = e.event_id where e.event_type = 'record_write'"
        f" and e.target = 'model.shop.{name}'"
    )
    state: dict[str, str | None] = {}
    for row in sorted(rows, key=lambda row: int(numbers[row["segment"], row["part"]])):
        old = None if row["old_value"] is None else json.loads(row["old_value"])["note"]
        assert state.get(row["record_id"]) == old, (name, row)
        if row["new_value"] is None:
            del state[row["record_id"]]
        else:
            state[row["record_id"]] = json.loads(row["new_value"])["note"]
    return state


def stored(project: Project, name: str) -> dict[str, str | None]:
    rows = project.query(f'select id, note from "{project.target.schema}".{name}')
    return {str(row["id"]): row["note"] for row in rows}


def wait_for_quiet(project: Project) -> None:
    """A server may go on for a moment with the statement of a client that is gone."""
    if project.target.engine == "duckdb":
        return
    for _ in range(300):
        busy = project.query(
            "select count(*) as n from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        if busy[0]["n"] == 0:
            return
        time.sleep(0.1)
    raise AssertionError("a killed run's session did not end")


@pytest.mark.timeout(120 + 15 * KILLS)
def test_a_killed_run_leaves_a_model_and_its_events_or_neither(project: Project, forks: Forks) -> None:
    chance = random.Random(f"{project.target.engine} {KILLS}")  # noqa: S311 (moments to kill at)
    began = time.monotonic()
    forks.dbt(project, "run", "--threads", "2")
    usual = time.monotonic() - began
    finished = 0
    for number in range(KILLS):
        project.query(f"update raw.feed set note = 'round {number}' where id % 3 = {number % 3}")
        project.query(f"delete from raw.feed where id between {number * 20 + 1} and {number * 20 + 5}")
        running = forks.start(project, "--no-version-check", "run", "--threads", "2")
        time.sleep(chance.uniform(0.2, 1.0) * usual)
        os.kill(running.pid, signal.SIGKILL)
        finished += running.wait().status == 0
        wait_for_quiet(project)
        for name in MODELS:
            assert replayed(project, name) == stored(project, name), name
    assert finished < KILLS

    forks.dbt(project, "run", "--threads", "2")
    for name in MODELS:
        assert replayed(project, name) == stored(project, name), name
    feed = {str(row["id"]): row["note"] for row in project.query("select id, note from raw.feed")}
    assert stored(project, "whole") == feed
    assert feed.items() <= stored(project, "merged").items()
    forks.batch_audit(project, "seal", "--all")
    assert_proved(project)


@pytest.mark.parametrize("project", ["postgres"], indirect=True)
def test_two_runs_that_write_the_same_records_are_recorded_one_after_the_other(
    project: Project, forks: Forks
) -> None:
    project.write("models/written.sql", WRITER)
    forks.dbt(project, "run", "--select", "written")
    for _ in range(2):
        runs = [
            forks.start(
                project, "--no-version-check", "run", "--select", "written", "--target-path", f"target_{name}",
                env={"WRITER": name},
            )
            for name in ("ann", "bob", "cid")
        ]  # fmt: skip
        done = [running.wait() for running in runs]
        assert [one.status for one in done] == [0, 0, 0], done
    assert replayed(project, "written") == stored(project, "written")
    writers = {note.split()[0] for note in stored(project, "written").values() if note}
    assert len(writers) == 1
    rows = project.audit(
        "select metadata from {audit}.audit_event where event_type = 'checkpoint' and part = target"
        " and target = 'model.shop.written'"
    )
    assert sorted(json.loads(row["metadata"])["capture_no"] for row in rows) == list(range(1, 8))
    assert_proved(project)
