"""Checks of what lies on the disk: the project's files and the copy of the package."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from batch_audit.errors import ConfigurationError
from batch_audit.setup.context import Context
from batch_audit.setup.findings import Finding, some
from batch_audit.setup.hooks import CAPTURE
from batch_audit.setup.ignore import repository_root
from batch_audit.setup.packages import PACKAGE_NAME, VENDORED, Declared
from batch_audit.setup.plan import read_packages, refuse_clash
from batch_audit.setup.vendor import differing_files

INIT = "Run `batch-audit init`."


def project_file(context: Context) -> Iterator[Finding]:
    """dbt_project.yml can be read, and its paths keep the package apart from the project."""
    if problem := context.problems.get("project"):
        yield Finding("fail", "dbt_project.yml", problem, "Correct the file.")
        return
    try:
        refuse_clash(context.settings.project_dir, dict(context.project))
    except ConfigurationError as error:
        yield Finding("fail", "dbt_project.yml", str(error), "Name only folders that hold your own files.")
        return
    yield Finding("ok", "dbt_project.yml", f"project {context.project.get('name')} can be read")


def package_listed(context: Context) -> Iterator[Finding]:
    """The package is among the project's packages, from inside the project."""
    try:
        name, _, declared = read_packages(context.settings.project_dir)
    except ConfigurationError as error:
        yield Finding("fail", "packages.yml", str(error), INIT)
        return
    if declared is None:
        yield Finding("fail", name, f"does not list the package {PACKAGE_NAME}", INIT)
    else:
        yield Finding("ok", name, f"lists local: {declared.location}")


def package_copy(context: Context) -> Iterator[Finding]:
    """The copy in the project is the package that this command was released with."""
    declared = _declared(context)
    location = declared.location if declared else VENDORED
    folder = context.settings.project_dir / location
    remedy = INIT
    if declared is not None and declared.kind == "local":
        remedy = f"Remove `local: {location}` from the packages and run `batch-audit init`."
    if not folder.is_dir():
        yield Finding("fail", location, "does not exist", remedy)
    elif files := differing_files(folder, context.package):
        yield Finding("fail", location, f"differs from this command's package: {some(files)}", remedy)
    else:
        yield Finding("ok", location, "is the package of this command")


def package_in_git(context: Context) -> Iterator[Finding]:
    """Git does not ignore the copy: a checkout elsewhere (CI) needs it."""
    git = shutil.which("git")
    project_dir = context.settings.project_dir
    if git is None or repository_root(project_dir) is None or not (project_dir / VENDORED).is_dir():
        return
    command = [git, "check-ignore", "--quiet", f"{VENDORED}/dbt_project.yml"]
    if subprocess.run(command, cwd=project_dir, capture_output=True, check=False).returncode == 0:  # noqa: S603
        why = "is ignored by git, so a checkout elsewhere (CI) will not have the package"
        yield Finding("warn", VENDORED, why, f"Add `!{VENDORED}/` to .gitignore and commit the folder.")


def package_installed(context: Context) -> Iterator[Finding]:
    """`dbt deps` was run, and what it installed is the copy."""
    place = Path(str(context.project.get("packages-install-path") or "dbt_packages")) / PACKAGE_NAME
    installed = context.settings.project_dir / place
    declared = _declared(context)
    copy = context.settings.project_dir / (declared.location if declared else VENDORED)
    if not (installed / "dbt_project.yml").is_file():
        yield Finding("fail", str(place), "the package is not installed", "Run `dbt deps`.")
    elif copy.is_dir() and (files := differing_files(installed, copy)):
        yield Finding("fail", str(place), f"is not what the packages list: {some(files)}", "Run `dbt deps`.")
    else:
        yield Finding("ok", str(place), "is installed")


def capture_hook(context: Context) -> Iterator[Finding]:
    """dbt_project.yml has the hook that captures the changes of models that ask for it."""
    if CAPTURE.stands_in(context.project.get("models")):
        yield Finding("ok", "dbt_project.yml", "has the capture hook under `models:`")
    else:
        why = "has no capture hook under `models:`, so only models with a line of their own are captured"
        yield Finding("warn", "dbt_project.yml", why, INIT)


def _declared(context: Context) -> Declared | None:
    try:
        return read_packages(context.settings.project_dir)[2]
    except ConfigurationError:
        return None
