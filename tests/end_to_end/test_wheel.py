"""The wheel alone, in an environment that does not see this repository, sets up, runs and verifies a project."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.project import write_project
from tests.support.target import Target

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).resolve().parents[2]
DBT = """#!{python}
from dbt.cli.main import cli
cli()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, so that both are complete."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)], CHECKOUT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it; the locked dependencies are lent by the environment of the tests.

    A folder named in a .pth file is searched for packages, but its own .pth files are not read: the editable
    install of this checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("clean") / "env"
    venv.create(folder, with_pip=True)
    run([str(folder / "bin" / "pip"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)], folder)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    dbt = folder / "bin" / "dbt"
    dbt.write_text(DBT.format(python=folder / "bin" / "python"), encoding="utf-8")
    dbt.chmod(0o755)
    return folder


def run(command: list[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=None if env is None else dict(env),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def bare(environment: Path) -> dict[str, str]:
    """The environment variables of somebody who has nothing but the new environment."""
    return {
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "HOME": str(environment.parent),
        "LANG": "C.UTF-8",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def test_the_wheel_carries_both_halves_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    top = {name.split("/")[0] for name in names}
    assert top == {"batch_audit", f"dbt_batch_audit-{wheel.name.split('-')[1]}.dist-info"}
    assert {
        "batch_audit/dbt_package/dbt_project.yml",
        "batch_audit/dbt_package/macros/batch/open_batch.sql",
        "batch_audit/dbt_package/models/reports/rpt_batch_summary.sql",
        "batch_audit/demo_project/dbt_project.yml",
        "batch_audit/py.typed",
    } <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    refused = ("__pycache__", ".duckdb", "/target/", "/logs/", "dbt_packages", ".user.yml", "/tests/")
    assert [name for name in names if any(part in name for part in refused)] == []


def test_the_environment_does_not_see_the_repository(environment: Path) -> None:
    code = (
        "import json, batch_audit, batch_audit.package as p;"
        "print(json.dumps([batch_audit.__file__, str(p.package_dir()), str(p.demo_dir())]))"
    )

    found = json.loads(run([str(environment / "bin" / "python"), "-c", code], environment, bare(environment)))

    assert [Path(path).is_relative_to(environment) for path in found] == [True, True, True]


def test_init_run_and_verify_work_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    target = Target(engine="duckdb", database="warehouse", path=tmp_path / "warehouse.duckdb")
    project = write_project(
        tmp_path / "shop",
        target,
        installed=False,
        hook=False,
        files={
            "models/orders.sql": "{{ config(materialized='table') }} select 1 as order_id, 'new' as status",
            "models/orders.yml": (
                "models: [{name: orders, config: {meta: {audit_capture: changes}},"
                " columns: [{name: order_id, data_tests: [unique, not_null]}]}]"
            ),
        },
    )
    command = str(environment / "bin" / "batch-audit")
    variables = bare(environment)

    run([command, "init"], project.root, variables)
    run([command, "run", "--", "dbt", "build"], project.root, variables)
    project.write("models/orders.sql", project.read("models/orders.sql").replace("'new'", "'paid'"))
    run([command, "run", "--", "dbt", "build"], project.root, variables)
    proof = json.loads(run([command, "verify", "--format", "json"], project.root, variables))

    assert (proof["verdict"], proof["damages"]) == ("ok", [])
    # Two runs of a segment by the hooks and one with lineage, each with a block for every table.
    assert (proof["coverage"]["blocks"], proof["coverage"]["payloads"]) == (16, 1)
    changes = project.audit(
        "select change_type, record_id, changed_fields from {audit}.audit_event where event_type = 'record_write'"
    )
    assert changes == [{"change_type": "update", "record_id": "1", "changed_fields": '["status"]'}]
