"""Builds the package's views after a batch when they are missing or of another version, quietly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch_audit.errors import BatchAuditError
from batch_audit.runner.environment import BATCH_ID, BATCH_MONTH, CONTEXT
from batch_audit.settings import Settings

_LOG_FOLDER = "logs"


def build_views(settings: Settings, month: str) -> str | None:
    """Build the views with the project's own dbt; None if that went well, else what dbt said.

    dbt also makes sure that the store's tables and the month's partitions exist. Its log goes to the state folder,
    so that the user's own stays as it is.
    """
    from batch_audit.setup.dbt_command import build_views_command, run_dbt

    log_folder = settings.state_folder(_LOG_FOLDER)
    if not (settings.project_dir / "dbt_packages" / "batch_audit").exists() and not _installed_elsewhere(
        settings
    ):
        return "the package batch_audit is not installed in the project (dbt deps)"
    try:
        with _environment(month):
            result = run_dbt(settings, [*build_views_command(settings), "--log-path", str(log_folder)])
    except BatchAuditError as error:
        return str(error)
    return None if result.status == 0 else result.message(4)


def _installed_elsewhere(settings: Settings) -> bool:
    from batch_audit.runner.dbt_options import project_file

    folder = project_file(settings.project_dir).get("packages-install-path")
    return folder is not None and (settings.project_dir / Path(str(folder)) / "batch_audit").exists()


@contextmanager
def _environment(month: str) -> Iterator[None]:
    """dbt's environment for this one call: the month whose tables must exist, and no batch."""
    before = {name: os.environ.get(name) for name in (BATCH_ID, BATCH_MONTH, CONTEXT)}
    for name in before:
        os.environ.pop(name, None)
    os.environ[BATCH_MONTH] = month
    try:
        yield
    finally:
        os.environ.pop(BATCH_MONTH, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
