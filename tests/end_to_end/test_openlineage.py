"""Batches of the real dbt as OpenLineage events, on both engines: what is told, what is not, and where it goes."""

import json
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.lineage_server import Endpoint, serving
from tests.support.openlineage_schemas import problems
from tests.support.project import Project
from tests.support.runs import SLOW, assert_proved, child_of, kill, newest_batch, run, start, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.prepared]

SELECTED = "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'id'}) }}\n"
FILES = {
    "seeds/people.csv": "id,email,region,changed_at\n1,a@x.o,7,2026-01-01 00:00:00\n2,b@x.o,8,2026-01-01 00:00:01\n",
    "models/stg.sql": (
        "{{ config(materialized='ephemeral') }}\nselect id, lower(email) as mail, region from {{ ref('people') }}"
    ),
    "models/mart.sql": SELECTED + "select id, mail, md5(mail) as hidden from {{ ref('stg') }} where region > 0",
    "models/quoted.sql": "select \"The Id\" as id from {{ source('raw', 'odd') }}",
    "models/broken.sql": "select no_such_column from {{ ref('quoted') }}",
    "models/after.sql": "select * from {{ ref('broken') }}",
    "snapshots/kept.yml": """
snapshots:
  - name: kept
    relation: ref('people')
    config: {strategy: timestamp, unique_key: id, updated_at: changed_at}
""",
    "tests/one_region.sql": "select * from {{ ref('mart') }} where id > 1",
    "models/schema.yml": """
version: 2
groups:
  - name: core
    owner: {name: data team, email: team@x.org}
sources:
  - name: raw
    schema: raw
    tables:
      - name: odd
        identifier: "Odd Name"
        quoting: {identifier: true}
models:
  - name: mart
    description: Everybody
    config: {group: core}
    columns:
      - name: id
        description: Who it is
        data_tests: [unique]
      - name: mail
        data_tests:
          - accepted_values:
              arguments: {values: [a@x.o]}
          - not_null: {config: {severity: warn}}
""",
}  # fmt: skip


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    made = make_project(files=FILES)
    made.query("create schema raw")
    made.query('create table raw."Odd Name" ("The Id" int)')
    return made


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ends(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last event of each job, by the job's name."""
    return {event["job"]["name"]: event for event in events if event["eventType"] != "START"}


def namespace_of(project: Project) -> str:
    target = project.target
    if target.engine == "duckdb":
        return f"duckdb://{target.path}"
    host = target.connection["host"]
    return f"postgres://{socket.gethostname() if host.startswith('/') else host}:{target.connection.get('port', 5432)}"


def told(project: Project, *options: str) -> list[dict[str, Any]]:
    """What `batch-audit openlineage` writes to stdout."""
    return [json.loads(line) for line in project.batch_audit("openlineage", *options).stdout.splitlines()]


def lineage(dataset: dict[str, Any]) -> set[tuple[str, str, str | None, str, bool]]:
    facet = dataset["facets"]["columnLineage"]
    fields = [(column, item) for column, field in facet["fields"].items() for item in field["inputFields"]]
    fields += [(None, item) for item in facet.get("dataset", [])]
    return {
        (item["name"].rpartition(".")[2], item["field"], column, how["subtype"], how["masking"])
        for column, item in fields
        for how in item["transformations"]
    }


def test_a_build_is_told_as_it_was(project: Project) -> None:
    out = project.root / "events.ndjson"
    status, summary = run(project, "dbt", "build", before=("--openlineage", str(out), "--job", "nightly"))
    events = read(out)
    assert status == 1
    assert [note for note in summary["notes"] if "OpenLineage" in note] == [
        f"OpenLineage: {len(events)} events appended to {out}"
    ]
    assert [problem for event in events for problem in problems(event)] == []
    assert {name: event["eventType"] for name, event in ends(events).items() if not name.startswith("test.")} == {
        "shop.nightly": "FAIL", "seed.shop.people": "COMPLETE", "model.shop.mart": "COMPLETE",
        "model.shop.quoted": "COMPLETE", "model.shop.broken": "FAIL", "snapshot.shop.kept": "COMPLETE",
    }  # fmt: skip
    assert not any(event["job"]["name"] == "model.shop.after" for event in events)

    space, database = namespace_of(project), project.target.database
    mart = ends(events)["model.shop.mart"]
    [people], [made] = mart["inputs"], mart["outputs"]
    assert (people["namespace"], people["name"]) == (space, f"{database}.shop.people")
    assert (made["namespace"], made["name"]) == (space, f"{database}.shop.mart")
    assert lineage(made) == {
        ("people", "id", "id", "IDENTITY", False),
        ("people", "email", "mail", "TRANSFORMATION", False),
        ("people", "email", "hidden", "TRANSFORMATION", True),
        ("people", "region", None, "FILTER", False),
    }
    fields = {field["name"]: field for field in made["facets"]["schema"]["fields"]}
    assert list(fields) == ["id", "mail", "hidden"]
    assert fields["id"]["description"] == "Who it is"
    assert all(field["type"] for field in fields.values())
    assert made["facets"]["documentation"]["description"] == "Everybody"
    assert made["facets"]["ownership"]["owners"] == [{"name": "data team"}]
    assert made["facets"]["dataQualityMetrics"]["rowCount"] == 2
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert "md5(mail)" in mart["job"]["facets"]["sql"]["query"]
    assert mart["job"]["facets"]["sql"]["dialect"] == project.target.engine
    assert mart["run"]["facets"]["processing_engine"]["name"] == "dbt"
    assert ends(events)["model.shop.quoted"]["inputs"][0]["name"] == f"{database}.raw.Odd Name"
    assert "no_such_column" in ends(events)["model.shop.broken"]["run"]["facets"]["errorMessage"]["message"]
    assert ends(events)["model.shop.broken"]["outputs"] == []
    assert ("people", "changed_at", "dbt_valid_from", "IDENTITY", False) in lineage(
        ends(events)["snapshot.shop.kept"]["outputs"][0]
    )

    found = {}
    for name, event in ends(events).items():
        if name.startswith("test."):
            [result] = event["run"]["facets"]["test"]["tests"]
            assertion = (
                event["inputs"][0].get("inputFacets", {}).get("dataQualityAssertions", {}).get("assertions")
            )
            found[result["type"]] = (
                event["eventType"],
                result["status"],
                assertion and assertion[0].get("column"),
            )
    assert found == {
        "unique": ("COMPLETE", "pass", "id"), "accepted_values": ("FAIL", "fail", "mail"),
        "not_null": ("COMPLETE", "pass", "mail"), "custom_sql": ("FAIL", "fail", None),
    }  # fmt: skip

    assert told(project) == told(project, "latest") == events
    assert project.batch_audit("openlineage", summary["batch_id"][:8], "--out", str(out)).returncode == 0
    assert read(out) == events + events
    assert_proved(project)


def test_a_later_build_does_not_change_what_is_told_of_an_earlier_one(project: Project) -> None:
    del_broken(project)
    _, first = run(project, "dbt", "build", "--exclude-resource-type", "test")
    before = told(project)
    project.write(
        "models/mart.sql", SELECTED + "select id, email as mail, 'x' as hidden from {{ ref('people') }}"
    )
    _, second = run(project, "dbt", "run", "--select", "mart")
    only = ends(told(project))["model.shop.mart"]
    assert "errorMessage" not in only["run"]["facets"]
    assert lineage(only["outputs"][0]) == {
        ("people", "id", "id", "IDENTITY", False),
        ("people", "email", "mail", "IDENTITY", False),
    }
    assert [item["name"] for item in only["inputs"]] == [f"{project.target.database}.shop.people"]
    tags = {tag["key"]: tag["value"] for tag in only["run"]["facets"]["tags"]["tags"]}
    assert tags == {
        "batch_id": second["batch_id"], "records_inserted": "0", "records_updated": "2", "records_deleted": "0",
    }  # fmt: skip

    done = project.batch_audit("openlineage", first["batch_id"])
    after = [json.loads(line) for line in done.stdout.splitlines()]
    assert "descriptions, owners, files" in done.stderr
    assert [problem for event in after for problem in problems(event)] == []
    mart, was = ends(after)["model.shop.mart"], ends(before)["model.shop.mart"]
    assert mart["run"]["runId"] == was["run"]["runId"]
    assert "sql" not in mart["job"]["facets"]
    assert lineage(mart["outputs"][0]) == lineage(was["outputs"][0])
    assert [item["name"] for item in mart["inputs"]] == [item["name"] for item in was["inputs"]]
    # Code that is as it was is known by its hash; a source's name is in no record.
    assert "The Id" in ends(after)["model.shop.quoted"]["job"]["facets"]["sql"]["query"]
    assert ends(after)["model.shop.quoted"]["inputs"] == []
    assert "relations whose full names are not known are left out (1): source.shop.raw.odd" in done.stderr


def del_broken(project: Project) -> None:
    for name in ("broken", "after"):
        (project.root / "models" / f"{name}.sql").unlink()


def test_a_run_sends_to_a_server_and_does_not_fail_when_that_fails(project: Project) -> None:
    del_broken(project)
    with serving(Endpoint(authorization="Bearer k3y-of-mine")) as endpoint:
        env = {
            "BATCH_AUDIT_OPENLINEAGE": endpoint.url.replace("//", "//ana:pa55word@"), "OPENLINEAGE_NAMESPACE": "prod",
            "BATCH_AUDIT_DATASET_NAMESPACE": "postgres://warehouse:5432",
            "OPENLINEAGE_PARENT_ID": "airflow/etl.shop/0197a1e2-7c10-7000-8000-000000000001",
        }  # fmt: skip
        status, refused = run(project, "dbt", "seed", env=env)
        assert status == 0
        [note] = [note for note in refused["notes"] if note.startswith("OpenLineage")]
        assert "0 of 4 OpenLineage events" in note and "answered 401" in note
        assert f"batch-audit openlineage {refused['batch_id']}" in note
        assert "pa55word" not in json.dumps(refused)

        env |= {"BATCH_AUDIT_OPENLINEAGE": endpoint.url, "OPENLINEAGE_API_KEY": "k3y-of-mine"}
        status, sent = run(project, "dbt", "seed", env=env)
        assert (status, len(endpoint.events)) == (0, 4)
        assert f"OpenLineage: 4 events sent to {endpoint.url}" in sent["notes"]
        assert [problem for event in endpoint.events for problem in problems(event)] == []
        first, last = endpoint.events[0], ends(endpoint.events)["seed.shop.people"]
        assert first["run"]["facets"]["parent"]["job"] == {"namespace": "airflow", "name": "etl.shop"}
        assert last["job"]["namespace"] == "prod"
        assert last["outputs"][0]["namespace"] == "postgres://warehouse:5432"

        endpoint.events.clear()
        project.batch_audit("openlineage", refused["batch_id"], "--url", endpoint.url, env=env)
        assert {
            event["run"]["facets"].get("tags", {"tags": [{}]})["tags"][0].get("value")
            for event in endpoint.events
        } >= {refused["batch_id"]}
    done = project.batch_audit("openlineage", "--url", endpoint.url, check=False)
    assert (done.returncode, "no connection to the server" in done.stderr) == (2, True)
    stored = project.audit("select metadata from {audit}.audit_event")
    assert not any(
        "pa55word" in str(row["metadata"]) or "k3y-of-mine" in str(row["metadata"]) for row in stored
    )
    assert_proved(project)


@pytest.mark.parametrize("engine", ["duckdb"])
def test_an_interrupt_while_events_are_sent_leaves_the_batch_as_it_is(project: Project) -> None:
    del_broken(project)
    summary = project.root / "summary.json"
    options = ["--no-report", "--summary-file", str(summary)]
    with serving(Endpoint(delay=5)) as endpoint:
        command = [sys.executable, "-m", "batch_audit", "run", *options, "--openlineage", endpoint.url]
        process = start(project, *command, "--", "dbt", "seed")
        wait_until(lambda: bool(endpoint.requests), process)
        # The runner ignores the first one, as always after its command has ended.
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        assert process.wait(timeout=30) == 0
    told_of = json.loads(summary.read_text(encoding="utf-8"))
    assert told_of["status"] == "success"
    assert [note for note in told_of["notes"] if "interrupted before all events were delivered" in note]
    assert_proved(project)


def test_a_bad_destination_is_refused_before_anything_runs(project: Project) -> None:
    for destination in ("ftp://host", "missing/folder/events.ndjson"):
        done = project.batch_audit("run", "--openlineage", destination, "--", "dbt", "seed", check=False)
        assert done.returncode == 2
    done = project.batch_audit("openlineage", "--out", "x", "--url", "http://localhost", check=False)
    assert (done.returncode, "give one of them" in done.stderr) == (2, True)
    assert not (project.root / "logs").exists()


def test_a_killed_batch_ends_in_abort(project: Project) -> None:
    del_broken(project)
    run(project, "dbt", "seed")
    project.write("models/slow.sql", "{{ config(materialized='table') }}\n" + SLOW[project.target.engine])
    log = project.root / "logs" / "dbt.log"
    offset = log.stat().st_size
    process = start(
        project, sys.executable, "-m", "batch_audit", "run", "--no-report", "--", "dbt", "run", "-s", "slow"
    )
    wait_until(lambda: b"Began executing node model.shop.slow" in log.read_bytes()[offset:], process)
    kill(child_of(process.pid), process.pid)
    process.wait()
    project.batch_audit("seal", "--all")
    events = told(project, newest_batch(project))
    assert [problem for event in events for problem in problems(event)] == []
    assert (events[0]["job"]["name"], events[0]["eventType"]) == ("shop", "START")
    assert (events[-1]["job"]["name"], events[-1]["eventType"]) == ("shop", "ABORT")
    assert {name: event["eventType"] for name, event in ends(events).items()} in (
        {"shop": "ABORT"}, {"shop": "ABORT", "model.shop.slow": "ABORT"},
    )  # fmt: skip
