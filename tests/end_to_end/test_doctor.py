"""`batch-audit doctor` on real set-ups: each broken one is found, with its remedy, and never hides another."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from batch_audit.setup.keys import record_key
from batch_audit.setup.manifest import Manifest
from tests.support.project import Project

pytestmark = pytest.mark.slow

TABLE = "{{ config(materialized='table') }}\nselect 1 as order_id, 2 as line, 'new' as status"
CAPTURED: dict[str, Any] = {"config": {"meta": {"audit_capture": "changes"}}}
KEYED: list[dict[str, Any]] = [{"name": "order_id", "data_tests": ["unique", "not_null"]}]


def models(*entries: dict[str, Any]) -> str:
    """The text of a models/*.yml."""
    return yaml.safe_dump({"models": list(entries)})


def diagnose(project: Project, *options: str, status: int) -> dict[tuple[str, str], dict[str, str]]:
    """doctor's findings that are not fine, by check and object."""
    done = project.batch_audit("doctor", "--format", "json", *options, check=False)
    assert done.returncode == status, done.stderr
    report = json.loads(done.stdout)
    found = [finding for finding in report["findings"] if finding["verdict"] != "ok"]
    assert len(report["findings"]) - len(found) == report["counts"]["ok"]
    return {(finding["check"], finding["object"]): finding for finding in found}


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """A project that `init` would make, without the time that `init` takes."""
    made = make_project(files={"models/orders.sql": TABLE})
    made.write("models/orders.yml", models({"name": "orders", "columns": KEYED} | CAPTURED))
    return made


def test_every_flaw_is_found_at_once_with_its_remedy(project: Project) -> None:
    project.dbt("build")
    project.query(f'delete from "{project.target.audit_schema}".audit_block')
    project.write(".batch_audit/spool/b1.json", "{}")
    project.write("models/keyless.sql", TABLE)
    project.write("models/shown.sql", "select 1 as id")
    project.write("models/lines.sql", TABLE)
    project.write("models/late.sql", TABLE.replace("'table'", "'table', post_hook='delete from {{ this }}'"))
    project.write("macros/mine.sql", "{% macro default__sha256_hex(text) %}'x'{% endmacro %}")
    combination = {
        "unique_combination_of_columns": {"arguments": {"combination_of_columns": ["order_id", "line"]}}
    }
    project.write(
        "macros/tests.sql",
        "{% test unique_combination_of_columns(model, combination_of_columns) %}select 1 where false{% endtest %}",
    )
    project.write(
        "models/more.yml",
        models(
            {"name": "keyless"} | CAPTURED,
            {"name": "shown", "columns": KEYED} | CAPTURED,
            {
                "name": "late",
                "columns": KEYED,
                "config": {"meta": {"audit_capture": "changes", "audit_key": "order_no"}},
            },
            {
                "name": "lines",
                "data_tests": [combination],
                "columns": [{"name": "order_id", "data_tests": ["not_null"]}],
            }
            | CAPTURED,
        ),
    )

    found = diagnose(project, status=1)

    assert {place: finding["verdict"] for place, finding in found.items()} == {
        ("overridden macros", "default__sha256_hex"): "fail",
        ("hooks after capture", "late"): "warn",
        ("record keys", "keyless"): "fail",
        ("key columns", "late"): "warn",
        ("key columns", "lines"): "warn",
        ("materialization", "shown"): "warn",
        ("store", project.target.audit_schema): "warn",
        ("package views", "rpt_package"): "warn",
        ("spool", str(project.root / ".batch_audit" / "spool")): "warn",
    }
    assert "audit_key" in found["record keys", "keyless"]["remedy"]
    assert "order_id" in found["key columns", "late"]["remedy"]
    assert "capture_changes()" in found["hooks after capture", "late"]["remedy"]
    assert "batch-audit seal" in found["store", project.target.audit_schema]["remedy"]
    assert "batch-audit init" in found["package views", "rpt_package"]["remedy"]


def test_a_package_that_is_switched_off_is_found(project: Project) -> None:
    text = yaml.safe_load(project.read("dbt_project.yml"))
    text["models"] = {"batch_audit": {"+enabled": False}}
    text["vars"] = {"batch_audit_enabled": False}
    project.write("dbt_project.yml", yaml.safe_dump(text))

    found = diagnose(project, status=1)

    assert found["run hooks", "on-run-start, on-run-end"]["verdict"] == "fail"
    assert "+enabled: false" in found["run hooks", "on-run-start, on-run-end"]["remedy"]
    assert found["auditing on", "batch_audit_enabled"]["verdict"] == "fail"
    assert found["capture on models", "orders"]["verdict"] == "fail"
    assert "batch-audit init" in found["capture on models", "orders"]["remedy"]
    assert found["capture hook", "dbt_project.yml"]["verdict"] == "warn"


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_project_that_was_never_set_up_is_led_to_init(make_project: Callable[..., Project]) -> None:
    project = make_project(installed=False, hook=False, files={"models/orders.sql": TABLE})

    found = diagnose(project, status=1)

    remedies = {
        place[0]: finding["remedy"] for place, finding in found.items() if finding["verdict"] == "fail"
    }
    assert remedies["package listed"] == remedies["package copy"] == "Run `batch-audit init`."
    assert remedies["package installed"] == "Run `dbt deps`."
    assert "run hooks" in remedies
    assert found["connection", "database"]["verdict"] == "warn"


@pytest.mark.parametrize("engine", ["duckdb"])
def test_what_dbt_cannot_parse_is_said_and_the_rest_is_still_checked(project: Project) -> None:
    project.write("models/broken.sql", "select * from {{ ref('nowhere') }}")
    project.write("profiles.yml", project.read("profiles.yml").replace("duckdb", "duckdbb", 1))

    found = diagnose(project, status=1)

    assert found["dbt parse", "project"]["verdict"] == "fail"
    assert found["connection", "profile"]["verdict"] == "fail"
    assert "dbt debug" in found["connection", "profile"]["remedy"]
    assert found["record keys", "manifest"]["verdict"] == "not checked"
    assert found["store", "warehouse"]["verdict"] == "not checked"


@pytest.mark.parametrize("engine", ["duckdb"])
def test_duckdb_without_transactions_or_outside_its_own_file_is_refused(project: Project) -> None:
    project.dbt("build", "--select", "orders")
    other = str(project.root / "other.duckdb")
    output = {"disable_transactions": True, "attach": [{"path": other, "alias": "other"}]}
    project.write("profiles.yml", project.target.profile_yaml("shop", **output))
    project.write("models/away.sql", TABLE.replace("'table'", "'table', database='other'"))
    project.write("models/away.yml", models({"name": "away", "columns": KEYED} | CAPTURED))

    found = diagnose(project, status=1)

    assert found["transactions", "profile"]["verdict"] == "fail"
    assert "profiles.yml" in found["transactions", "profile"]["remedy"]
    assert found["databases", "away"]["verdict"] == "fail"
    assert "other" in found["databases", "away"]["why"]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_read_only_database_cannot_hold_an_audit(project: Project) -> None:
    project.dbt("build", "--select", "orders")
    options = {"config_options": {"access_mode": "READ_ONLY"}}
    project.write("profiles.yml", project.target.profile_yaml("shop", **options))

    found = diagnose(project, status=1)

    assert found["permissions", "warehouse"]["verdict"] == "fail"


@pytest.mark.parametrize("engine", ["postgres"])
def test_a_user_without_the_privileges_gets_the_grants_to_ask_for(project: Project) -> None:
    project.dbt("build", "--select", "orders")
    project.query("drop role if exists batch_audit_guest")
    project.query("create role batch_audit_guest login password 'guest'")
    try:
        project.query(f'grant usage on schema "{project.target.audit_schema}" to batch_audit_guest')
        guest = {"user": "batch_audit_guest", "password": "guest"}
        project.write("profiles.yml", project.target.profile_yaml("shop", **guest))

        found = diagnose(project, status=1)

        finding = found["permissions", project.target.audit_schema]
        assert finding["verdict"] == "fail"
        assert "create in the schema, insert into its tables, select from its tables" in finding["why"]
        assert f'grant usage, create on schema "{project.target.audit_schema}"' in finding["remedy"]
        assert found["store", "store"]["verdict"] == "not checked"
    finally:
        project.query(f'revoke all on schema "{project.target.audit_schema}" from batch_audit_guest')
        project.query("drop role batch_audit_guest")


@pytest.mark.parametrize("engine", ["duckdb"])
def test_doctor_changes_nothing_and_shows_people_what_it_found(project: Project) -> None:
    before = {path: path.read_bytes() for path in project.root.rglob("*.yml") if path.is_file()}
    done = project.batch_audit("doctor", check=False)
    assert {path: path.read_bytes() for path in before} == before
    assert not (project.root / "target" / "manifest.json").exists()
    assert not project.target.path or not project.target.path.exists()
    assert done.stdout == ""
    assert "warn         database: the DuckDB file does not exist yet" in done.stderr
    assert "→ Run `batch-audit init`." in done.stderr


@pytest.mark.parametrize("engine", ["duckdb"])
def test_without_a_project_it_cannot_run(project: Project) -> None:
    (project.root / "dbt_project.yml").unlink()
    done = project.batch_audit("doctor", "--project-dir", str(project.root), check=False)
    assert done.returncode == 2
    assert "No dbt_project.yml" in done.stderr


@pytest.mark.parametrize("engine", ["duckdb"])
def test_the_key_that_doctor_names_is_the_key_that_the_macros_use(project: Project) -> None:
    constraint = {"constraints": [{"type": "primary_key", "columns": ["order_id", "line"]}]}
    contract = {"contract": {"enforced": True}}
    typed = [
        {"name": name, "data_type": kind}
        for name, kind in (("order_id", "int"), ("line", "int"), ("status", "text"))
    ]
    described = {
        "stated": {"config": {"meta": {"audit_capture": "changes", "audit_key": ["line", "order_id"]}}},
        "unique_only": {"columns": [{"name": "status", "data_tests": ["unique"]}]} | CAPTURED,
        "constrained": constraint | {"columns": typed, "config": contract | CAPTURED["config"]},
    }
    for name in described:
        project.write(f"models/{name}.sql", TABLE)
    project.write("models/keys.yml", models(*({"name": name} | fields for name, fields in described.items())))
    project.dbt("build")

    captured = project.audit(
        "select target, metadata from {audit}.audit_event where event_type = 'checkpoint' and part like 'model.%'"
    )
    used = {row["target"].split(".")[-1]: json.loads(row["metadata"]) for row in captured}
    manifest = Manifest.read(project.root / "target" / "manifest.json")
    named = {node["name"]: record_key(node, manifest.tests_of(node)) for node in manifest.captured}
    assert set(used) == set(named) == {"orders", *described}
    assert {name: (list(key.columns), key.rule) for name, key in named.items()} == {
        name: (capture["key"], capture["key_rule"]) for name, capture in used.items()
    }
