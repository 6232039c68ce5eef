"""A dbt project of our own around the package, in which its views are built.

In the user's project, what `dbt_project.yml` says of all models counts for the package's views as well (dbt lets a
project configure its packages): post-hooks, materialization, schema, grants. And a build there parses the user's models
and runs the user's on-run hooks. So the views are built apart from all that, with what decides where they lie: profile,
variables and the macros that make names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.package import package_dir
from batch_audit.settings import Settings
from batch_audit.setup.packages import PACKAGE_NAME
from batch_audit.setup.plan import PATH_KEYS, read_text
from batch_audit.setup.vendor import differing_files, package_files
from batch_audit.setup.yaml_tree import load

_KEPT = (
    "name", "version", "config-version", "require-dbt-version", "profile", "vars", "dispatch", "quoting",
    "query-comment", "flags",
)  # fmt: skip
_INSTALLED = "packages"


def write_views_project(settings: Settings) -> Path:
    """Bring the project under the settings' state folder up to date, and return its folder.

    The package in it is the one that belongs to this command. Raises ConfigurationError when the user's
    dbt_project.yml cannot be read or the folder cannot be written.
    """
    text = read_text(settings.project_dir / "dbt_project.yml", settings.project_dir)
    values = load(text, "dbt_project.yml") if text is not None else None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{settings.project_dir}/dbt_project.yml is missing or holds no mapping.")
    try:
        root = settings.state_folder("views")
        _copy_package(root / _INSTALLED / PACKAGE_NAME)
        _write(root / "dbt_project.yml", _project(values, os.path.relpath(settings.project_dir, root)))
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or settings.state_dir}: cannot be written: {error.strerror or error}.\n"
            "  The package's views are built from a project in there. Make it writable, or name another folder in"
            " BATCH_AUDIT_STATE_DIR."
        ) from error
    return root


def _project(values: Mapping[str, Any], up: str) -> dict[str, Any]:
    """The project's description; `up` leads from its folder to the user's project."""
    folders = {key: _names(values.get(key), default) for key, default in PATH_KEYS.items()}
    # A macro may be documented by a block of text that lies anywhere.
    texts = _names(values.get("docs-paths"), [name for names in folders.values() for name in names])
    own = values.get("models")
    ours = own.get(PACKAGE_NAME) if isinstance(own, dict) else None
    return {
        **{key: values[key] for key in _KEPT if key in values},
        **{key: [] for key in PATH_KEYS},
        "macro-paths": [f"{up}/{name}" for name in folders["macro-paths"]],
        "docs-paths": [f"{up}/{name}" for name in texts],
        "packages-install-path": _INSTALLED,
        # What the project says of this package in particular is meant for it.
        "models": {PACKAGE_NAME: ours} if isinstance(ours, dict) else {},
    }


def _names(given: Any, default: list[str]) -> list[str]:
    return [str(name) for name in given] if isinstance(given, list) else default


def _copy_package(folder: Path) -> None:
    source = package_dir()
    if folder.exists() and not differing_files(folder, source):
        return
    shutil.rmtree(folder, ignore_errors=True)
    for name in package_files(source):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)


def _write(path: Path, values: dict[str, Any]) -> None:
    from ruamel.yaml import YAML

    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(values, file)
