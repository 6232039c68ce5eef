"""`batch-audit verify` and `batch-audit seal` as a person or a script meets them, on stores that dbt itself wrote."""

import json
from collections.abc import Callable

import pytest

from tests.support.project import Project
from tests.support.synthetic_store import create_tables, ordinary_store
from tests.support.target import Target

ORDERS = """
{{{{ config(
    materialized='table', meta={{'audit_capture': 'changes', 'audit_key': 'id', 'audit_baseline': 'records'}}
) }}}}
{rows}
"""
FIRST_ROWS = "\nunion all ".join(
    f"select {n} as id, cast('{text}' as varchar(20)) as note, cast({n}.50 as numeric(10, 2)) as amount"
    for n, text in enumerate(("plain", "a|b", "~N", "", "Zoë 🙂"), start=1)
)
SECOND_ROWS = FIRST_ROWS.replace("plain", "changed~|").replace("select 2 as id", "select 20 as id")
TEST = "select * from {{ ref('orders') }} where amount > 3"


@pytest.mark.slow
def test_a_store_that_dbt_wrote_verifies_and_an_edit_is_named(make_project: Callable[..., Project]) -> None:
    """The macros hash and seal in their SQL, verifying recomputes in its own and in Python: they must agree."""
    project = make_project(
        files={
            "models/orders.sql": ORDERS.format(rows=FIRST_ROWS),
            "models/properties.yml": "models: [{name: orders, columns: [{name: id, data_tests: [unique, not_null]}]}]",
            "tests/cheap.sql": TEST,
        }
    )
    project.dbt("build", check=False)
    project.write("models/orders.sql", ORDERS.format(rows=SECOND_ROWS))
    project.dbt("build", check=False)

    by_sql = json.loads(project.batch_audit("verify", "--format", "json").stdout)
    locally = json.loads(project.batch_audit("verify", "--local", "--format", "json").stdout)

    assert by_sql == locally | {"mode": "sql"}
    assert by_sql["verdict"] == "ok"
    coverage = by_sql["coverage"]
    assert (coverage["segments"], coverage["blocks"], coverage["unsealed_segments"]) == (2, 8, 0)
    changes = project.audit(
        "select * from {audit}.audit_event where event_type = 'record_write' order by seq"
    )
    assert coverage["payloads"] >= len(changes) > 5

    update = next(change for change in changes if change["change_type"] == "update")
    project.audit(
        f"update {{audit}}.audit_event set changed_fields = '[]' where event_id = '{update['event_id']}'"
    )
    edited = project.batch_audit("verify", "--format", "json", check=False)
    first = json.loads(edited.stdout)["damages"][0]

    assert edited.returncode == 1
    assert (first["kind"], first["segment"], first["seq"]) == (
        "event_edited",
        update["segment"],
        update["seq"],
    )
    assert "NOT intact, 2 damages found" in edited.stderr


@pytest.fixture
def project(make_project: Callable[..., Project], warehouse_target: Target) -> Project:
    """A project whose store a synthetic batch filled."""
    made = make_project(installed=False, hook=False)
    create_tables(warehouse_target)
    warehouse = made.warehouse()
    ordinary_store().write(warehouse)
    warehouse.close()
    return made


def test_verify_tells_people_on_stderr_and_nothing_on_stdout(project: Project) -> None:
    done = project.batch_audit("verify")

    assert done.stdout == ""
    assert "shop_audit: intact." in done.stderr.splitlines()[0]


def test_quiet_prints_only_what_is_wrong(project: Project) -> None:
    assert project.batch_audit("verify", "--quiet").stderr == ""

    project.audit("delete from {audit}.audit_payload where seq = 17")
    done = project.batch_audit("verify", "--quiet", check=False)
    assert done.returncode == 1
    assert "first damage: payload_missing in audit_payload, block 2, segment s-first" in done.stderr


@pytest.mark.parametrize("command", ["verify", "seal"])
def test_a_missing_store_is_a_set_up_error(make_project: Callable[..., Project], command: str) -> None:
    project = make_project(installed=False, hook=False)
    project.query("select 1")
    done = project.batch_audit(command, check=False)

    assert done.returncode == 2
    assert "no audit store in schema shop_audit" in done.stderr


def test_seal_closes_what_died_and_the_store_stays_intact(project: Project) -> None:
    planned = project.batch_audit("seal", "--dry-run", "--format", "json")
    done = project.batch_audit("seal")

    assert json.loads(planned.stdout)["plan"]["seal"] == ["s-third"]
    assert done.stderr.splitlines() == [
        "closed batch batch-s-third as incomplete: invocation invocation-s-third left no end",
        "sealed 2 segments in blocks 13 to 20",
    ]
    assert "20 blocks, 5 segments" in project.batch_audit("verify").stderr
    assert project.batch_audit("seal", "--all").stderr == "nothing to seal\n"


@pytest.mark.parametrize("engine", ["duckdb"])
def test_an_age_that_is_none_is_refused(project: Project) -> None:
    done = project.batch_audit("seal", "--older-than", "soon", check=False)

    assert done.returncode == 2
    assert "'soon' is not an age: give minutes, hours or days, such as 30m, 6h or 2d" in done.stderr
