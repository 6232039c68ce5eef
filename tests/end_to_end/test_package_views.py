"""The package's views in a project whose configuration of all models would break them, misplace them or freeze them."""

import json
from collections.abc import Callable

import pytest

from tests.support.project import HOOK, Project

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine", ["duckdb"], indirect=True)]

BY_HAND = (
    "run", "--select", "package:batch_audit", "--target-path", "target/batch_audit", "--vars",
    json.dumps({"batch_audit_models": True, "batch_audit_enabled": False}),
)  # fmt: skip
# Analysing a view is an error on DuckDB.
FOR_ALL_MODELS = {
    "+post-hook": ["analyze {{ this }}", HOOK],
    "+pre-hook": "insert into shop.visits select '{{ this.name }}'",
    "+materialized": "table",
    "+schema": "elsewhere",
}
MACROS = {
    "macros/names.sql": (
        "{% macro generate_alias_name(custom_alias_name, node) %}"
        "{{ return((var('prefix') if node.package_name == 'batch_audit' else '') ~ node.name) }}{% endmacro %}"
    ),
    "macros/names.yml": (
        "macros: [{name: generate_alias_name, description: \"{{ doc('about_names') }}\"}]\n"
    ),
    "models/about.md": "{% docs about_names %}Names.{% enddocs %}",
}


def test_a_run_builds_them_as_they_are_meant_whatever_the_project_says_of_all_models(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(
        files={"models/one.sql": "select 1 as id", **MACROS},
        config={
            "models": FOR_ALL_MODELS | {"batch_audit": {"rpt_package": {"+tags": ["ours"]}}},
            "on-run-end": "insert into shop.visits select 'the end'",
            "vars": {"shop": {"unused": 1}, "prefix": ""},
        },
    )
    project.query("create schema shop")
    project.query("create table shop.visits (name varchar)")
    done = project.batch_audit("run", "--", "dbt", "run")
    assert "could not be built" not in done.stderr
    assert "report" in done.stderr

    kinds = project.query(
        "select table_schema, table_name, table_type from information_schema.tables"
        " where table_name like 'rpt%' or table_name = 'one' order by table_name"
    )
    assert {(row["table_schema"], row["table_type"]) for row in kinds if row["table_name"] != "one"} == {
        ("shop_audit", "VIEW")
    }
    assert [tuple(row.values()) for row in kinds if row["table_name"] == "one"] == [
        ("shop_elsewhere", "one", "BASE TABLE")
    ]
    assert project.query("select name from shop.visits") == [{"name": "one"}, {"name": "the end"}]
    assert project.audit("select status, nodes_ok from {audit}.rpt_batch_summary") == [
        {"status": "success", "nodes_ok": 1}
    ]


def test_in_a_project_that_makes_them_its_own_tables_are_refused_with_the_remedy(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(
        files={"models/one.sql": "select 1 as id"},
        config={"models": {"+post-hook": HOOK, "+materialized": "table"}},
    )
    refused = project.dbt(*BY_HAND, check=False)
    assert refused.returncode == 1
    assert "batch_audit: {+materialized: view}" in refused.stdout
    assert project.query("select 1 from duckdb_tables() where table_name like 'rpt%'") == []

    described = project.read("dbt_project.yml").replace(
        "models:\n", "models:\n  batch_audit: {+materialized: view}\n"
    )
    project.write("dbt_project.yml", described)
    project.dbt(*BY_HAND)
    project.dbt("run")
    assert project.audit("select count(*) as n from {audit}.rpt_batch_summary") == [{"n": 1}]
