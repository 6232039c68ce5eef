"""The package's views in a project whose own configuration would turn them into tables."""

import json
from collections.abc import Callable

import pytest

from tests.support.project import HOOK, Project

BUILD = (
    "run", "--select", "package:batch_audit", "--target-path", "target/batch_audit", "--vars",
    json.dumps({"batch_audit_models": True, "batch_audit_enabled": False}),
)  # fmt: skip


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_views_that_a_project_would_make_tables_are_refused_with_the_remedy(
    make_project: Callable[..., Project],
) -> None:
    tables = {"+post-hook": HOOK, "+materialized": "table"}
    project = make_project(files={"models/one.sql": "select 1 as id"}, config={"models": tables})
    project.dbt("run")
    refused = project.dbt(*BUILD, check=False)
    assert refused.returncode == 1
    assert "batch_audit: {+materialized: view}" in refused.stdout
    assert project.query("select 1 from duckdb_tables() where table_name like 'rpt%'") == []

    described = project.read("dbt_project.yml").replace(
        "models:\n", "models:\n  batch_audit: {+materialized: view}\n"
    )
    project.write("dbt_project.yml", described)
    project.dbt(*BUILD)
    project.dbt("run")
    assert project.audit("select count(*) as n from {audit}.rpt_batch_summary") == [{"n": 2}]
