"""Projects with the package installed from a copy of its own: an edit during a run would make dbt parse anew."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from batch_audit.package import package_dir
from tests.support.project import DISPATCH, HOOK, Project, write_project
from tests.support.target import Target


def copy_of_package(folder: Path) -> Path:
    """Copy what a project installs into `folder`/batch_audit, once."""
    copy = folder / "batch_audit"
    if not copy.exists():
        copy.mkdir()
        shutil.copy(package_dir() / "dbt_project.yml", copy)
        for part in ("macros", "models"):
            shutil.copytree(package_dir() / part, copy / part)
    return copy


def make_project(
    folder: Path,
    target: Target,
    files: Mapping[str, str],
    models: Mapping[str, Any],
    *,
    package: bool,
) -> Project:
    """A project at `folder`; `models` is that part of dbt_project.yml. With `package`, installed as `init` does."""
    hook = {"+post-hook": HOOK} if package else {}
    config = {"models": hook | dict(models)} | ({"dispatch": DISPATCH} if package else {})
    project = write_project(folder, target, files=files, config=config, installed=False, hook=False)
    if package:
        copy = copy_of_package(folder.parent)
        project.write("packages.yml", yaml.safe_dump({"packages": [{"local": str(copy)}]}))
        (folder / "dbt_packages").mkdir(exist_ok=True)
        (folder / "dbt_packages" / "batch_audit").symlink_to(copy, target_is_directory=True)
    return project
