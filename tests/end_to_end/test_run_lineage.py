"""Column lineage of runs: what is recorded, what is not recorded twice, and the views over it, on both engines."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.project import Project
from tests.support.runs import assert_proved, run

pytestmark = pytest.mark.prepared

FILES = {
    "seeds/people.csv": "id,email,region,changed_at\n1,a@x.o,7,2026-01-01 00:00:00\n2,b@x.o,8,2026-01-01 00:00:01\n",
    "models/stg.sql": (
        "{{ config(materialized='ephemeral') }}\nselect id, lower(email) as mail, region from {{ ref('people') }}"
    ),
    "models/mart.sql": (
        "select mail, md5(mail) as hidden, count(*) as n from {{ ref('stg') }} where region > 0 group by 1, 2"
    ),
    "models/show.sql": "{{ config(materialized='view') }}\nselect * from {{ ref('mart') }}",
    "models/batch.sql": (
        "{{ config(materialized='table') }}\nselect id, {{ batch_audit.audit_columns(['id']) }}"
        " from {{ ref('people') }}"
    ),
    "models/quoted.sql": "select \"The Id\" as id from {{ source('raw', 'odd') }}",
    "models/schema.yml": """
version: 2
sources:
  - name: raw
    schema: raw
    tables:
      - name: odd
        identifier: "Odd Name"
        quoting: {identifier: true}
exposures:
  - name: board
    type: dashboard
    owner: {name: ana, email: ana@x.org}
    depends_on: [ref('show')]
""",
    "seeds/seeds.yml": """
version: 2
seeds:
  - name: people
    columns:
      - name: email
        config: {meta: {audit_pii: true}}
""",
    "snapshots/kept.yml": """
snapshots:
  - name: kept
    relation: ref('people')
    config: {strategy: timestamp, unique_key: id, updated_at: changed_at}
""",
}  # fmt: skip


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    made = make_project(files=FILES)
    made.query("create schema raw")
    made.query('create table raw."Odd Name" ("The Id" int)')
    return made


def edges(project: Project, where: str = "true") -> set[tuple[Any, ...]]:
    rows = project.audit(
        f"select source, source_column, target, target_column, subtype from {{audit}}.fct_column_edges where {where}"
    )
    return {tuple(row.values()) for row in rows}


def lineage_events(project: Project, batch_id: str) -> dict[str, dict[str, Any]]:
    rows = project.audit(
        "select target, metadata from {audit}.audit_event where part = 'lineage'"
        f" and batch_id = '{batch_id}'"
    )
    return {row["target"]: json.loads(row["metadata"]) for row in rows}


def test_a_run_records_the_lineage_of_what_changed(project: Project) -> None:
    status, first = run(project, "dbt", "build")
    assert (status, first["notes"]) == (0, [])
    people, stg, mart, show = "seed.shop.people", "model.shop.stg", "model.shop.mart", "model.shop.show"
    assert edges(project) >= {
        (people, "email", stg, "mail", "TRANSFORMATION"),
        (stg, "mail", mart, "mail", "IDENTITY"),
        (stg, "region", mart, None, "FILTER"),
        (mart, "mail", show, "mail", "IDENTITY"),
        (mart, "n", show, "n", "IDENTITY"),
        (show, "*", "exposure.shop.board", "*", "IDENTITY"),
        ("source.shop.raw.odd", "The Id", "model.shop.quoted", "id", "IDENTITY"),
        (people, "email", "snapshot.shop.kept", "email", "IDENTITY"),
        (people, "changed_at", "snapshot.shop.kept", "dbt_valid_from", "IDENTITY"),
        (people, "id", "snapshot.shop.kept", "dbt_scd_id", "TRANSFORMATION"),
    }
    told = lineage_events(project, first["batch_id"])
    assert told[show]["columns_from"] == "warehouse"
    assert told[show]["columns"] == ["mail", "hidden", "n"]
    assert {name: item["unknown"] for name, item in told.items() if item["unknown"]}.keys() == {
        "exposure.shop.board"
    }

    status, second = run(project, "dbt", "build")
    assert status == 0
    assert lineage_events(project, second["batch_id"]) == {}

    project.write("models/mart.sql", "select mail, region from {{ ref('stg') }}")
    status, third = run(project, "dbt", "build")
    assert status == 0
    assert lineage_events(project, third["batch_id"]).keys() == {mart, show}
    changed = project.audit(
        "select change, source_column, target, target_column from {audit}.fct_column_edge_changes"
        f" where batch_id = '{third['batch_id']}'"
    )
    assert {tuple(row.values()) for row in changed} >= {
        ("removed", "mail", mart, "hidden"),
        ("added", "region", mart, "region"),
        ("added", "region", show, "region"),
        ("removed", "n", show, "n"),
    }
    assert ("added", "mail", mart, "mail") not in {tuple(row.values()) for row in changed}
    differences = project.audit(
        "select change, target, target_column from {audit}.fct_column_edge_differences"
        f" where from_batch_id = '{first['batch_id']}' and to_batch_id = '{third['batch_id']}'"
    )
    assert {tuple(row.values()) for row in differences if row["target"] == show} == {
        ("added", show, "region"),
        ("removed", show, "hidden"),
        ("removed", show, "n"),
    }
    same = "from_batch_id = '{}' and to_batch_id = '{}'".format(first["batch_id"], second["batch_id"])
    assert project.audit(f"select * from {{audit}}.fct_column_edge_differences where {same}") == []
    as_of = {
        batch["batch_id"]: {
            row["target_column"]
            for row in project.audit(
                "select target_column from {audit}.fct_column_edges_as_of"
                f" where batch_id = '{batch['batch_id']}' and target = '{show}'"
            )
        }
        for batch in (first, second, third)
    }
    assert as_of[first["batch_id"]] == as_of[second["batch_id"]] == {"mail", "hidden", "n"}
    assert as_of[third["batch_id"]] == {"mail", "region"}
    assert_proved(project)


def test_personal_data_is_followed_to_where_it_leaves(project: Project) -> None:
    run(project, "dbt", "build")
    rows = project.audit("select * from {audit}.rpt_pii_columns")
    assert {(row["node_name"], row["column_name"], row["is_tagged"], row["is_certain"]) for row in rows} == {
        ("people", "email", True, True),
        ("kept", "email", False, True),
        ("stg", "mail", False, True),
        ("mart", "mail", False, True),
        ("show", "mail", False, True),
        ("board", "*", False, False),
    }
    [path] = [row["path"] for row in rows if row["node_name"] == "show"]
    assert (
        path
        == "seed.shop.people.email -> model.shop.stg.mail -> model.shop.mart.mail -> model.shop.show.mail"
    )
    unknown = project.audit("select node_name, reason from {audit}.rpt_lineage_unknowns")
    assert [(row["node_name"], "exposure names" in row["reason"]) for row in unknown] == [("board", True)]


def test_a_node_that_is_gone_is_recorded_as_removed(project: Project) -> None:
    run(project, "dbt", "build")
    (project.root / "models" / "quoted.sql").unlink()
    _, second = run(project, "dbt", "build")
    assert {n: i["status"] for n, i in lineage_events(project, second["batch_id"]).items()} == {
        "model.shop.quoted": "removed"
    }
    assert edges(project, "target = 'model.shop.quoted'") == set()
    _, third = run(project, "dbt", "build")
    assert lineage_events(project, third["batch_id"]) == {}


def test_a_partial_run_leaves_the_rest_on_record(project: Project) -> None:
    run(project, "dbt", "build")
    before = edges(project)
    _, second = run(project, "dbt", "run", "--select", "show")
    assert lineage_events(project, second["batch_id"]) == {}
    assert edges(project) == before


def test_lineage_can_be_switched_off(project: Project) -> None:
    done = project.batch_audit("run", "--no-report", "--no-lineage", "--", "dbt", "build")
    assert done.returncode == 0
    assert project.audit("select * from {audit}.audit_column_edge") == []
    assert project.audit("select * from {audit}.audit_event where part = 'lineage'") == []


@pytest.mark.parametrize("engine", ["duckdb"])
def test_lineage_that_cannot_be_read_at_all_leaves_the_evidence_incomplete(project: Project) -> None:
    folder = project.write("broken/sqlglot.py", "raise RuntimeError('no parser today')\n").parent
    path = f"{folder}:{project.environment()['PYTHONPATH']}"
    status, summary = run(project, "dbt", "build", env={"PYTHONPATH": path})
    assert (status, summary["command_status"], summary["status"]) == (4, 0, "incomplete")
    assert "RuntimeError: no parser today" in summary["left_open"][0]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_failure_of_lineage_is_told_in_the_batch_and_fails_it_not(project: Project) -> None:
    status, summary = run(project, "sh", "-c", "dbt build && echo '{' > target/manifest.json")
    assert (status, summary["status"]) == (0, "success")
    assert "column lineage is not on record: JSONDecodeError" in summary["notes"][0]
    [event] = project.audit("select target, error_message from {audit}.audit_event where part = 'lineage'")
    assert event["target"] is None
    assert "JSONDecodeError" in event["error_message"]
    assert_proved(project)


def test_lineage_is_told_apart_from_a_capture_of_the_same_node(project: Project) -> None:
    project.write(
        "models/mart.sql",
        "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'mail'}) }}\n"
        "select mail, max(region) as region from {{ ref('stg') }} group by 1",
    )
    for number in range(3):
        project.write(
            "seeds/people.csv", f"id,email,region,changed_at\n1,a@x.o,{number},2026-01-01 00:00:00\n"
        )
        status, summary = run(project, "dbt", "build")
        assert (status, summary["status"]) == (0, "success")
    captures = project.audit(
        "select capture_no, records_updated from {audit}.fct_audit_captures"
        " where node_id = 'model.shop.mart' order by 1"
    )
    assert [tuple(row.values()) for row in captures] == [(1, 0), (2, 1), (3, 1)]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_secret_in_compiled_sql_is_not_stored(project: Project) -> None:
    secret = "s3cr3t-salt-of-ours"  # noqa: S105 (the test's own)
    project.write(
        "models/salted.sql",
        "select md5(email || '{{ env_var(\"MASK_SECRET\") }}') as hidden from {{ ref('people') }}",
    )
    run(project, "dbt", "build", env={"MASK_SECRET": secret})
    [edge] = project.audit("select expression from {audit}.fct_column_edges where target_column = 'hidden' and"
                           " target like '%salted'")  # fmt: skip
    assert "md5" in edge["expression"].lower()
    assert "***" in edge["expression"]
    events = project.audit("select metadata from {audit}.audit_event")
    assert not [row for row in events if secret in str(row["metadata"])]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_manifest_that_is_not_of_the_batch_is_said(project: Project) -> None:
    run(project, "dbt", "build")
    other = "cp target/manifest.json kept.json; dbt build; cp kept.json target/manifest.json"
    status, summary = run(project, "sh", "-c", other)
    assert (status, summary["status"]) == (0, "success")
    assert "written by a dbt call that is not of this batch" in summary["notes"][0]
    [told] = project.audit(
        "select error_message from {audit}.audit_event where part = 'lineage' and target is null"
    )
    assert "--target-path" in told["error_message"]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_nodes_that_the_last_manifest_does_not_know_are_said(project: Project) -> None:
    script = "dbt build; rm models/quoted.sql; dbt build --select show"
    status, summary = run(project, "sh", "-c", script)
    assert (status, summary["status"]) == (0, "success")
    assert "does not know 1 of the nodes that were built (model.shop.quoted)" in summary["notes"][0]
    assert edges(project, "target = 'model.shop.show'")


@pytest.mark.parametrize("engine", ["duckdb"])
def test_what_cannot_be_read_is_said_and_the_rest_is_read(project: Project) -> None:
    project.write("models/py.py", "def model(dbt, session):\n    return dbt.ref('people')\n")
    project.write("models/factorial.sql", "select id, id! as f from {{ ref('people') }}")
    deep = "region"
    for number in range(250):
        deep = f"case when id > {number} then {number} else {deep} end"
    project.write("models/deep.sql", f"select {deep} as d from {{{{ ref('people') }}}}")
    hook = '{{ config(post_hook=\'insert into {{ source("raw", "odd") }} select id as "The Id" from {{ this }}\') }}'
    project.write("models/writes.sql", f"{hook}\nselect id from {{{{ ref('people') }}}}")
    status, summary = run(project, "dbt", "build")
    assert (status, summary["status"], summary["notes"]) == (0, "success", [])
    told = lineage_events(project, summary["batch_id"])
    gaps = {name: [gap["reason"] for gap in event["unknown"]] for name, event in told.items()}
    assert ["could not be parsed" in reason for reason in gaps["model.shop.factorial"]] == [True]
    assert ["a Python model" in reason for reason in gaps["model.shop.py"]] == [True]
    assert gaps["model.shop.deep"] == gaps["model.shop.writes"] == []
    found = project.audit(
        "select owner, source, source_column, target, target_column, subtype, reason from {audit}.fct_column_edges"
        " where owner in ('model.shop.py', 'model.shop.deep', 'model.shop.writes')"
    )
    people, odd = "seed.shop.people", "source.shop.raw.odd"
    wanted = {
        ("model.shop.py", people, "*", "model.shop.py", "*", "TRANSFORMATION"),
        ("model.shop.deep", people, "region", "model.shop.deep", "d", "IDENTITY"),
        ("model.shop.deep", people, "id", "model.shop.deep", "d", "CONDITIONAL"),
        ("model.shop.writes", people, "id", "model.shop.writes", "id", "IDENTITY"),
        ("model.shop.writes", "model.shop.writes", "id", odd, "The Id", "IDENTITY"),
    }
    assert {tuple(row.values())[:-1] for row in found} == wanted
    hooked = [row["reason"] for row in found if row["target"] == odd]
    assert hooked == ["written by a hook of the node"]
    assert_proved(project)
