"""Carries out a plan: files are written beside their place and renamed; a failure puts all of it back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from batch_audit.errors import ConfigurationError
from batch_audit.setup.plan import CopyChange, FileChange, Plan
from batch_audit.setup.vendor import package_files


def apply_plan(plan: Plan) -> None:
    """Make the planned changes, all or none.

    Raises ConfigurationError when the file system refuses; the project is then as it was before.
    """
    try:
        with ExitStack() as undo:
            staged = [_stage_file(change, undo) for change in plan.files]
            if plan.copy is not None:
                staged.insert(0, _stage_copy(plan.copy, undo))
            for put in staged:
                put()
            undo.pop_all()
        _remove_backup(plan)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or plan.project_dir}: cannot be written: {error.strerror or error}.\n"
            "  Everything was put back as it was. Make the project's folder writable and run again."
        ) from error


def _stage_file(change: FileChange, undo: ExitStack) -> Callable[[], None]:
    """Write the new text to a temporary file; the returned function renames it over the old one."""
    target = change.path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    undo.callback(temporary.unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as file:
        file.write(change.after.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(target.stat().st_mode & 0o7777 if change.before is not None else 0o666 & ~_umask())

    def put() -> None:
        temporary.replace(target)
        if change.before is None:
            undo.callback(target.unlink, missing_ok=True)
        else:
            undo.callback(target.write_bytes, change.before.encode("utf-8"))

    return put


def _stage_copy(change: CopyChange, undo: ExitStack) -> Callable[[], None]:
    """Copy the package beside its place; the returned function swaps the folders."""
    change.folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=change.folder.parent, prefix=".batch_audit."))
    undo.callback(shutil.rmtree, temporary, ignore_errors=True)
    for name in package_files(change.source):
        (temporary / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(change.source / name, temporary / name)
    temporary.chmod(0o777 & ~_umask())
    backup = _backup(change)

    def put() -> None:
        shutil.rmtree(backup, ignore_errors=True)
        if change.folder.exists():
            change.folder.rename(backup)
            undo.callback(backup.rename, change.folder)
        temporary.rename(change.folder)
        undo.callback(shutil.rmtree, change.folder)

    return put


def _backup(change: CopyChange) -> Path:
    return change.folder.with_name(f".{change.folder.name}.before")


def _remove_backup(plan: Plan) -> None:
    if plan.copy is not None:
        shutil.rmtree(_backup(plan.copy), ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
