"""`batch-audit run` with the real dbt: whatever happens to the command, the batch is on record and proves itself."""

import json
import signal
from collections.abc import Callable
from importlib.metadata import version

import pytest
import yaml

from tests.support.project import Project
from tests.support.runs import (
    FILES,
    SLOW,
    assert_proved,
    child_of,
    ends,
    events,
    kill,
    newest_batch,
    run,
    spooled,
    start_slow,
)  # fmt: skip

pytestmark = pytest.mark.slow


def node_statuses(project: Project, batch_id: str) -> dict[str, str]:
    """What the batch's checkpoints say of each node."""
    return {
        event["target"]: json.loads(event["metadata"])["status"]
        for event in events(project, batch_id)
        if event["event_type"] == "checkpoint" and event["part"] == "end"
    }


NO_ROWS = "dbt's on-run-end, which reads the failing rows, did not write"


def failing_rows(project: Project, batch_id: str) -> list[tuple[object, ...]]:
    """What the validations that found rows say of them, and the count of the batch's end."""
    (end,) = ends(project, batch_id)
    validations = [
        json.loads(event["metadata"])
        for event in events(project, batch_id)
        if event["event_type"] == "validation_fail"
    ]
    return [
        (it["status"], it["failures"], it["rows_recorded"], it["rows_reason"], end["record_errors"])
        for it in validations
    ]


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
    adapter = project.target.engine
    assert (metadata["adapter_type"], metadata["adapter_version"]) == (adapter, version(f"dbt-{adapter}"))
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


def test_a_hook_that_fails_before_ours_leaves_the_end_to_the_runner(
    make_project: Callable[..., Project],
) -> None:
    """dbt runs packages' hooks in the order of their names, and none after one that failed."""
    described = {
        "name": "a_first",
        "version": "1.0.0",
        "config-version": 2,
        "on-run-end": "select no_such_thing",
    }
    project = make_project(files=FILES | {"dbt_packages/a_first/dbt_project.yml": yaml.safe_dump(described)})
    status, summary = run(project, "dbt", "build")

    assert (status, summary["status"]) == (1, "incomplete")
    (end,) = ends(project, summary["batch_id"])
    assert (end["writer"], end["ok"], end["tests_passed"]) == ("runner", 2, 2)
    assert "on-run-end did not write the end of the run" in end["reason"]
    assert "no_such_thing" in end["reason"]
    assert node_statuses(project, summary["batch_id"]) | {"model.shop.orders": "success"} == node_statuses(
        project, summary["batch_id"]
    )
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
    """A macro that cannot be read keeps the package's own project from making the store, a model does not."""
    broken = "{% macro broken() %}{{ nope( }}{% endmacro %}"
    project = make_project(files=FILES | {"macros/broken.sql": broken})
    status, first = run(project, "dbt", "build")
    assert (status, first["status"], len(spooled(project))) == (2, "incomplete", 1)
    assert spooled(project)[0].stat().st_mode & 0o777 == 0o600
    (spooled(project)[0].parent / "torn.json").write_text('{"version": 1', encoding="utf-8")

    (project.root / "macros" / "broken.sql").unlink()
    project.write("models/broken.sql", "select {{ nope( }}")
    status, second = run(project, "dbt", "build")
    assert (status, second["status"], spooled(project)) == (2, "error", [])
    for batch in (first, second):
        assert [end["status"] for end in ends(project, batch["batch_id"])] == ["error"]
    assert (project.root / ".batch_audit" / "spool" / "rejected" / "torn.json").exists()
    assert any("torn.json" in note for note in second["notes"])
    assert_proved(project)


def test_an_interrupted_and_a_killed_batch_say_so(make_project: Callable[..., Project], engine: str) -> None:
    project = make_project(files=FILES)
    project.dbt("run")
    project.write(
        "tests/paid.sql",
        "{{ config(severity='warn') }} select * from {{ ref('orders') }} where status = 'paid'",
    )
    project.write(
        "models/slow.sql", "{{ config(materialized='table') }}\n-- {{ ref('orders') }}\n" + SLOW[engine]
    )

    process = start_slow(project)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (1, 2)
    end = ends(project, newest_batch(project))[-1]
    assert (end["status"], end["writer"]) == ("interrupted", "runner")
    recorded = node_statuses(project, newest_batch(project))
    assert recorded["model.shop.orders"] == "success"
    assert recorded["model.shop.slow"] != "success"
    assert failing_rows(project, newest_batch(project)) == [("warn", 1, 0, NO_ROWS, None)]

    process = start_slow(project)
    kill(child_of(process.pid))
    assert process.wait(60) == 137
    end = ends(project, newest_batch(project))[-1]
    assert (end["status"], end["writer"]) == ("incomplete", "runner")
    assert "SIGKILL" in end["reason"]
    assert failing_rows(project, newest_batch(project)) == [("warn", 1, 0, NO_ROWS, None)]
    assert_proved(project)

    process = start_slow(project)
    kill(process.pid, child_of(process.pid))
    process.wait(60)
    (left,) = spooled(project)
    batch_id = json.loads(left.read_text(encoding="utf-8"))["start"]["batch_id"]
    assert ends(project, batch_id) == []
    dry = json.loads(project.batch_audit("seal", "--dry-run", "--format", "json").stdout)
    assert [(item["batch_id"], item["state"]) for item in dry["spooled"]] == [(batch_id, "waiting")]
    assert spooled(project) == [left]
    done = json.loads(project.batch_audit("seal", "--format", "json").stdout)
    assert [(item["batch_id"], item["state"]) for item in done["spooled"]] == [(batch_id, "stored")]
    (end,) = ends(project, batch_id)
    assert (end["status"], end["writer"]) == ("incomplete", "runner")
    assert end["reason"].startswith("dbt and the runner ended without a word after ")
    recorded = node_statuses(project, batch_id)
    assert (recorded["model.shop.orders"], recorded["model.shop.slow"]) == ("success", "unknown")
    assert_proved(project)


def test_a_batch_that_was_removed_before_it_was_sealed_is_told_by_its_start_record(
    make_project: Callable[..., Project], engine: str
) -> None:
    project = make_project(files=FILES)
    project.dbt("run")
    project.write(
        "models/slow.sql", "{{ config(materialized='table') }}\n-- {{ ref('orders') }}\n" + SLOW[engine]
    )
    process = start_slow(project)
    kill(process.pid, child_of(process.pid))
    process.wait(60)
    (left,) = spooled(project)
    batch_id = json.loads(left.read_text(encoding="utf-8"))["start"]["batch_id"]
    for table in ("audit_event", "audit_segment"):
        project.audit(f"delete from {{audit}}.{table} where batch_id = '{batch_id}'")
    project.batch_audit("verify")  # the store alone knows nothing of it

    done = json.loads(project.batch_audit("seal", "--format", "json").stdout)

    assert [(item["batch_id"], item["state"]) for item in done["spooled"]] == [(batch_id, "stored")]
    (end,) = ends(project, batch_id)
    assert (end["status"], end["writer"]) == ("incomplete", "runner")
    assert_proved(project)
