"""Postgres goes on with a statement whose dbt was killed: nothing of it may reach a segment that is sealed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.runs import (
    FILES,
    assert_proved,
    child_of,
    ends,
    events,
    kill,
    newest_batch,
    start,
    start_run,
    wait_until,
)  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.prepared, pytest.mark.parametrize("engine", ["postgres"])]

# Slow only where on-run-end reads the failing rows, which it does in the statement that closes the batch.
FAILING = """
select order_id, pg_sleep(case when current_query() like '%batch_audit' || '_failing%' then 6 else 0 end)::text as nap
from {{ ref('orders') }}
"""


def sleeping(project: Project, statement: str) -> bool:
    """Whether a session sleeps in a statement with this text in its first 1,024 bytes: the server shows no more."""
    return project.query(
        "select count(*) as n from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
        f" and query like '%{statement}%'"
    ) != [{"n": 0}]


def test_a_close_that_outlives_its_dbt_is_waited_for(make_project: Callable[..., Project]) -> None:
    project = make_project(files=FILES | {"tests/slow_rows.sql": FAILING})
    process = start_run(project)
    wait_until(lambda: sleeping(project, "pg_advisory_xact_lock_shared"), process)
    kill(child_of(process.pid))
    assert process.wait(60) == 137

    batch_id = newest_batch(project)
    (end,) = ends(project, batch_id)
    assert (end["status"], end["writer"], end["tests_failed"]) == ("error", "hooks", 1)
    rows = [event for event in events(project, batch_id) if event["event_type"] == "record_error"]
    assert [event["record_id"] for event in rows] == ["1"]
    assert_proved(project)


def test_a_run_cannot_write_where_seal_has_sealed(make_project: Callable[..., Project]) -> None:
    project = make_project(files=FILES)
    project.dbt("run")
    project.write("models/slow.sql", "{{ config(materialized='table') }} select pg_sleep(8)::text as n")
    project.write("models/orders.sql", "-- {{ ref('slow') }}\nselect 1 as order_id, 'sent' as status")

    process = start(project, str(Path(sys.executable).parent / "dbt"), "--no-version-check", "build")
    wait_until(lambda: sleeping(project, "model.shop.slow"), process)
    done = json.loads(project.batch_audit("seal", "--all", "--format", "json").stdout)
    batch_id = newest_batch(project)
    assert [item["batch_id"] for item in done["plan"]["close"]] == [batch_id]
    assert process.wait(60) == 1

    assert [(end["status"], end["writer"]) for end in ends(project, batch_id)] == [("incomplete", "seal")]
    assert "was sealed while its run went on" in project.read("logs/dbt.log")
    assert project.query(f"select status from {project.target.schema}.orders") == [{"status": "paid"}]
    assert_proved(project)
