"""TPC-H's 22 and TPC-DS's 99 queries against the oracle, in an environment that is made here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = [
    "duckdb==1.5.5",
    "duckdb-extension-tpch==1.5.5",
    "duckdb-extension-tpcds==1.5.5",
    "psycopg2-binary",
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with DuckDB 1.5.5 and its TPC extensions, and the sqlglot of this environment."""
    import sqlglot

    folder = tmp_path_factory.mktemp("tpc")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    made = folder / "bin" / "python"
    wanted = [*PACKAGES, f"sqlglot=={sqlglot.__version__}"]
    done = subprocess.run([made, "-m", "pip", "install", "--quiet", *wanted], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the package registry did not give {wanted}: {done.stderr.strip()[-200:]}")
    return made


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "queries", "seconds"), [("h", 22, "3"), ("ds", 99, "1")])
def test_no_change_goes_without_an_edge(python, kind, queries, seconds):
    path = os.pathsep.join([str(ROOT), str(ROOT / "python")])
    done = subprocess.run(
        [python, "-m", "tests.lineage_oracle.tpc", kind, seconds],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["missing"] == []
    assert found["gaps"] == []
    assert found["queries"] == queries
    assert found["shown"] > found["claimed"] * 0.1
    print(f"TPC-{kind.upper()}: {found['shown']} of {found['claimed']} edges seen to matter")  # noqa: T201
