"""`batch-audit run` with the real dbt: whatever happens to the command, the batch is on record and proves itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project

pytestmark = pytest.mark.slow

FILES = {
    "models/orders.sql": "select 1 as order_id, 'paid' as status",
    "models/revenue.sql": "select count(*) as n from {{ ref('orders') }}",
    "models/orders.yml": """
version: 2
models:
  - name: orders
    config: {materialized: table, meta: {audit_capture: changes}}
    columns:
      - name: order_id
        data_tests: [unique, not_null]
""",
}
SLOW = {
    "duckdb": "select count(*) as n from range(2000000) as a, range(1000000) as b where (a.range * b.range) % 7 = 3",
    "postgres": "select pg_sleep(120)::text as n",
}


def run(project: Project, *command: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """The exit status and the summary of one `batch-audit run`."""
    summary = project.root / "summary.json"
    summary.unlink(missing_ok=True)
    done = project.batch_audit(
        "run", "--no-report", "--summary-file", str(summary), "--", *command, check=False, **options
    )
    return done.returncode, json.loads(summary.read_text(encoding="utf-8"))


def events(project: Project, batch_id: str) -> list[dict[str, Any]]:
    """The batch's events in the order in which they were written."""
    return project.audit(
        "select e.*, s.writer from {audit}.audit_event as e join {audit}.audit_segment as s on s.segment = e.segment"
        f" where e.batch_id = '{batch_id}' order by s.opened_at, e.segment, e.part desc, e.seq"
    )


def ends(project: Project, batch_id: str) -> list[dict[str, Any]]:
    """The metadata of the batch's ends, with the message and the writer."""
    return [
        json.loads(event["metadata"]) | {"error_message": event["error_message"], "writer": event["writer"]}
        for event in events(project, batch_id)
        if event["event_type"] == "batch_end"
    ]


def spooled(project: Project) -> list[Path]:
    return list((project.root / ".batch_audit" / "spool").glob("*.json"))


def assert_proved(project: Project) -> None:
    """Everything is sealed and nothing waits."""
    done = project.batch_audit("verify")
    assert done.returncode == 0
    unsealed = project.audit(
        "select segment from {audit}.audit_segment where segment not in (select segment from {audit}.audit_block)"
    )
    assert unsealed == []
    assert spooled(project) == []


def start_slow(project: Project) -> "subprocess.Popen[bytes]":
    """A run in a process group of its own, returned once dbt executes the slow model."""
    log = project.root / "logs" / "dbt.log"
    offset = log.stat().st_size if log.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "batch_audit", "run", "--no-report", "--", "dbt", "build"],
        cwd=project.root, env=project.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and b"Began executing node model.shop.slow" in log.read_bytes()[offset:]:
            time.sleep(1)
            return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"dbt never began the slow model: {process.communicate()[1]!r}")


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()[0])


def newest_batch(project: Project) -> str:
    rows = project.audit("select batch_id from {audit}.audit_segment order by opened_at desc limit 1")
    return str(rows[0]["batch_id"])


def test_what_dbt_does_by_itself_is_on_record_whatever_happens(make_project: Callable[..., Project]) -> None:
    project = make_project(files=FILES)

    status, summary = run(
        project, "dbt", "build", env={"BATCH_AUDIT_ACTOR": "ann", "BATCH_AUDIT_JOB": "nightly"}
    )
    assert (status, summary["status"]) == (0, "success")
    assert summary["tally"] | {"ok": 2, "tests_passed": 2, "errors": 0} == summary["tally"]
    start = next(
        event for event in events(project, summary["batch_id"]) if event["event_type"] == "batch_start"
    )
    metadata = json.loads(start["metadata"])
    assert (start["actor"], metadata["actor_source"], metadata["job"]) == ("ann", "given", "nightly")
    assert metadata["command"] == "dbt build"
    assert [end["writer"] for end in ends(project, summary["batch_id"])] == ["hooks"]
    assert "dbt build" in (project.root / "logs" / "dbt.log").read_text(encoding="utf-8")

    status, summary = run(project, "dbt", "build", "--select", "no_such_model")
    assert (status, summary["status"]) == (0, "nothing_selected")
    assert [(end["status"], end["writer"]) for end in ends(project, summary["batch_id"])] == [
        ("nothing_selected", "runner")
    ]

    status, summary = run(project, "dbt", "build", "--profile", "no_such_profile")
    assert (status, summary["status"]) == (2, "error")
    assert "no_such_profile" in ends(project, summary["batch_id"])[0]["error_message"]

    project.write("models/broken.sql", "select {{ nope( }}")
    status, summary = run(project, "dbt", "build")
    (project.root / "models" / "broken.sql").unlink()
    assert (status, summary["status"]) == (2, "error")
    assert "models/broken.sql" in ends(project, summary["batch_id"])[0]["error_message"]
    assert [event["event_type"] for event in events(project, summary["batch_id"])] == [
        "batch_start",
        "batch_end",
    ]

    assert_proved(project)


def test_a_failed_model_keeps_dbts_status_and_a_script_is_one_batch(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(files=FILES)
    project.write("models/broken.sql", "select 1 / no_such_column as x from {{ ref('orders') }}")

    status, summary = run(project, "sh", "-c", "dbt run; dbt retry; dbt test --select orders")
    assert (status, summary["status"]) == (0, "error")
    assert [end["status"] for end in ends(project, summary["batch_id"])] == ["error", "error", "success"]
    assert {end["writer"] for end in ends(project, summary["batch_id"])} == {"hooks"}

    status, summary = run(project, "dbt", "run")
    assert (status, summary["status"]) == (1, "error")
    assert_proved(project)


def test_a_command_that_runs_no_dbt_is_not_called_complete(make_project: Callable[..., Project]) -> None:
    project = make_project(files=FILES)
    project.dbt("run")

    status, summary = run(project, "true")
    assert (status, summary["status"]) == (4, "incomplete")
    status, summary = run(project, "sh", "-c", "exit 7")
    assert (status, summary["status"]) == (7, "error")
    status, summary = run(project, "dbt", "run", env={"DBT_LOG_PATH": "elsewhere"})
    assert (status, summary["status"]) == (0, "success")
    assert_proved(project)


@pytest.mark.parametrize("engine", ["duckdb"])
def test_the_first_run_that_fails_waits_in_the_spool(make_project: Callable[..., Project]) -> None:
    project = make_project(files=FILES | {"models/broken.sql": "select {{ nope( }}"})
    status, first = run(project, "dbt", "build")
    assert (status, first["status"], len(spooled(project))) == (2, "incomplete", 1)
    assert spooled(project)[0].stat().st_mode & 0o777 == 0o600
    (spooled(project)[0].parent / "torn.json").write_text('{"version": 1', encoding="utf-8")

    (project.root / "models" / "broken.sql").unlink()
    status, second = run(project, "dbt", "build")
    assert (status, second["status"]) == (0, "success")
    assert [end["status"] for end in ends(project, first["batch_id"])] == ["error"]
    assert (project.root / ".batch_audit" / "spool" / "rejected" / "torn.json").exists()
    assert any("torn.json" in note for note in second["notes"])
    assert_proved(project)


def test_an_interrupted_and_a_killed_batch_say_so(make_project: Callable[..., Project], engine: str) -> None:
    project = make_project(files=FILES)
    project.dbt("run")
    project.write(
        "models/slow.sql", "{{ config(materialized='table') }}\n-- {{ ref('orders') }}\n" + SLOW[engine]
    )

    process = start_slow(project)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (1, 2)
    end = ends(project, newest_batch(project))[-1]
    assert (end["status"], end["writer"]) == ("interrupted", "runner")
    recorded = {
        event["target"]: json.loads(event["metadata"])["status"]
        for event in events(project, newest_batch(project))
        if event["event_type"] == "checkpoint" and event["part"] == "end"
    }
    assert recorded["model.shop.orders"] == "success"
    assert recorded["model.shop.slow"] != "success"

    process = start_slow(project)
    os.kill(child_of(process.pid), signal.SIGKILL)
    assert process.wait(60) == 137
    end = ends(project, newest_batch(project))[-1]
    assert (end["status"], end["writer"]) == ("incomplete", "runner")
    assert "SIGKILL" in end["reason"]
    assert_proved(project)
