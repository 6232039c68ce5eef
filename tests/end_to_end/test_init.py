"""`batch-audit init` in a real dbt project, up to a recorded batch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from batch_audit.package import package_dir
from batch_audit.setup.vendor import differing_files
from tests.support.project import Project

pytestmark = pytest.mark.slow

PROJECT = """\
name: shop          # a small shop
version: '1.0'
profile: shop

models:
  # everything is a table here
  shop:
    +materialized: table
  +post-hook: "{{ log(this) }}"
"""
ORDERS = "select 1 as order_id, 'new' as status"
ORDERS_YML = """
models:
  - name: orders
    config: {meta: {audit_capture: changes}}
    columns:
      - name: order_id
        data_tests: [unique, not_null]
"""


@pytest.fixture
def plain(make_project: Callable[..., Project]) -> Project:
    """A dbt project that has never heard of auditing."""
    project = make_project(
        installed=False, hook=False, files={"models/orders.sql": ORDERS, "models/orders.yml": ORDERS_YML}
    )
    project.write("dbt_project.yml", PROJECT)
    project.write(".gitignore", "target/\ndbt_packages/\nlogs/\n")
    return project


def files_of(project: Project) -> dict[str, bytes]:
    """The project's own files: not what dbt makes."""
    made = ("target", "dbt_packages", "logs")
    return {
        str(path.relative_to(project.root)): path.read_bytes()
        for path in project.root.rglob("*")
        if path.is_file() and path.relative_to(project.root).parts[0] not in made
    }


def test_from_a_plain_project_to_a_recorded_change(plain: Project) -> None:
    done = plain.batch_audit("init")

    assert (
        plain.read("dbt_project.yml")
        == PROJECT.replace(
            '+post-hook: "{{ log(this) }}"',
            '+post-hook:\n    - "{{ log(this) }}"\n    - "{{ batch_audit.capture() }}"',
        )
        + "\ndispatch:\n  - {macro_namespace: dbt, search_order: [shop, batch_audit, dbt]}\n"
    )
    assert plain.read("packages.yml") == "packages:\n  - local: audit_packages/batch_audit\n"
    assert plain.read(".gitignore").endswith("logs/\n.batch_audit/\n")
    assert differing_files(plain.root / "audit_packages/batch_audit", package_dir()) == []
    assert "batch-audit run -- dbt build" in done.stderr
    assert done.stdout == ""
    assert plain.audit("select package_version from {audit}.rpt_package") == [{"package_version": "0.1.0"}]

    plain.dbt("build")
    plain.write("models/orders.sql", "select 1 as order_id, 'paid' as status")
    plain.dbt("build")
    changes = plain.audit("select node_name, record_id, change_type from {audit}.rpt_record_changes")
    assert [(change["record_id"], change["change_type"]) for change in changes] == [("1", "update")]

    report = json.loads(plain.batch_audit("doctor", "--format", "json").stdout)
    assert report["counts"] == {"ok": report["counts"]["ok"], "warn": 0, "fail": 0, "not checked": 0}

    before = files_of(plain)
    again = plain.batch_audit("init")
    assert "Nothing to do" in again.stderr
    assert files_of(plain) == before


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_dry_run_prints_a_diff_that_git_can_apply_and_changes_nothing(plain: Project) -> None:
    before = files_of(plain)
    done = plain.batch_audit("init", "--dry-run")
    assert files_of(plain) == before
    assert "would create audit_packages/batch_audit/" in done.stderr

    told = json.loads(plain.batch_audit("init", "--dry-run", "--format", "json").stdout)
    assert told["diff"] == done.stdout
    assert told["changes"][-1] == "edit .gitignore"

    diff = plain.root.parent / "change.diff"
    diff.write_text(done.stdout, encoding="utf-8")
    subprocess.run(["git", "apply", "../change.diff"], cwd=plain.root, check=True)
    patched = files_of(plain)
    plain.batch_audit("init", "--no-build")
    assert {name: files_of(plain)[name] for name in patched} == patched


@pytest.mark.parametrize("engine", ["duckdb"])
def test_init_works_from_a_folder_below_and_leaves_dbt_alone_with_no_build(plain: Project) -> None:
    done = plain.run(
        ["sh", "-c", f"cd models && {sys.executable} -m batch_audit init --no-build --profiles-dir .."]
    )
    assert "dbt deps" in done.stderr
    assert (plain.root / "audit_packages/batch_audit/dbt_project.yml").is_file()
    assert not (plain.root / "dbt_packages").exists()
    assert not (plain.root / "target").exists()


@pytest.mark.parametrize("engine", ["duckdb"])
def test_an_upgrade_replaces_the_copy_and_builds_the_views_again(plain: Project) -> None:
    plain.batch_audit("init", "--no-build")
    version = plain.root / "audit_packages/batch_audit/macros/batch/package_version.sql"
    version.write_text(version.read_text(encoding="utf-8").replace("0.1.0", "0.0.9"), encoding="utf-8")
    plain.dbt("deps")
    variables = "{batch_audit_models: true, batch_audit_enabled: false}"
    plain.dbt("run", "--select", "package:batch_audit", "--vars", variables)
    assert plain.audit("select package_version from {audit}.rpt_package") == [{"package_version": "0.0.9"}]

    done = plain.batch_audit("init")
    assert "replace audit_packages/batch_audit/ (1 file" in done.stderr
    assert plain.audit("select package_version from {audit}.rpt_package") == [{"package_version": "0.1.0"}]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_failing_build_says_what_dbt_said_and_how_to_go_on(plain: Project) -> None:
    plain.write("models/unfinished.sql", "select * from {{ ref('nowhere') }}")
    broken = plain.write("macros/broken.sql", "{% macro broken() %}{{ nowhere( }}{% endmacro %}")
    failed = plain.batch_audit("init", check=False)
    assert failed.returncode == 2
    assert "{{ nowhere( }}" in failed.stderr
    assert "run\n  `batch-audit init` again" in failed.stderr

    broken.unlink()
    # A model that dbt cannot parse is no obstacle: the views are built apart from the project's models.
    assert "Next:" in plain.batch_audit("init").stderr
    assert plain.audit("select package_version from {audit}.rpt_package") == [{"package_version": "0.1.0"}]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_project_file_that_cannot_be_read_is_named_with_line_and_column(plain: Project) -> None:
    plain.write("dbt_project.yml", "name: shop\nmodels:\n\tshop: 1\n")
    before = files_of(plain)
    failed = plain.batch_audit("init", check=False)
    assert failed.returncode == 2
    assert "dbt_project.yml, line 3, column 1" in failed.stderr
    assert files_of(plain) == before


def test_without_a_project_the_command_says_where_it_looked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "batch_audit", "init", "--project-dir", str(tmp_path)]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert f"No dbt_project.yml in {tmp_path}" in failed.stderr


def test_a_snapshot_of_a_model_is_written_by_its_record_key(plain: Project) -> None:
    plain.batch_audit("init", "--no-build")
    plain.dbt("deps")
    shown = plain.batch_audit("init", "--dry-run", "--snapshot", "orders")
    assert "would create" in shown.stderr
    assert not (plain.root / "snapshots").exists()
    plain.batch_audit("init", "--no-build", "--snapshot", "orders")
    assert yaml.safe_load(plain.read("snapshots/orders_history.yml")) == {
        "snapshots": [
            {
                "name": "orders_history",
                "relation": "ref('orders')",
                "config": {
                    "strategy": "check", "unique_key": "order_id", "check_cols": "all", "hard_deletes": "invalidate",
                    "meta": {"audit_capture": "changes"},
                },
            }
        ]
    }  # fmt: skip
    plain.dbt("build")
    plain.write("models/orders.sql", "select 1 as order_id, 'paid' as status")
    plain.dbt("build")
    changes = plain.audit(
        "select record_id, change_type, changed_fields from {audit}.audit_event where event_type = 'record_write'"
        " and target = 'snapshot.shop.orders_history'"
    )
    assert changes == [{"record_id": "1", "change_type": "update", "changed_fields": '["status"]'}]

    again = plain.batch_audit("init", "--no-build", "--snapshot", "orders", check=False)
    assert again.returncode == 2
    assert "has a snapshot orders_history already" in again.stderr
    missing = plain.batch_audit("init", "--no-build", "--snapshot", "ordres", check=False)
    assert missing.returncode == 2
    assert "no model 'ordres'" in missing.stderr and "It has: orders" in missing.stderr
