"""The dbt package parses without a warning, by itself, on the profiles that are shipped as examples."""

import os
from collections.abc import Callable

import pytest

from tests.support.project import CHECKOUT, Project

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
@pytest.mark.parametrize("target", ["duckdb", "postgres"])
def test_the_package_parses_without_a_warning(make_project: Callable[..., Project], target: str) -> None:
    project = make_project(installed=False, hook=False)
    folders = [
        option for name in ("target", "log") for option in (f"--{name}-path", os.fspath(project.root / name))
    ]

    done = project.dbt(
        "--warn-error", "parse", "--no-partial-parse", *folders, "--project-dir", os.fspath(CHECKOUT),
        "--profiles-dir", os.fspath(CHECKOUT / "profiles_example"), "--target", target,
        "--vars", "{batch_audit_models: true}",
    )  # fmt: skip

    assert (project.root / "target" / "manifest.json").is_file(), done.stdout
