"""A database with the audit store and the package's views, made once by the real dbt for many tests to begin with."""

from datetime import UTC, datetime
from pathlib import Path

from tests.support.project import write_project
from tests.support.target import Target


def build_store(folder: Path, target: Target) -> None:
    """Make the store and build the views, as `batch-audit init` does."""
    from batch_audit.setup.views import build_views

    project = write_project(folder, target)
    problem = build_views(project.settings(), datetime.now(UTC).strftime("%Y-%m"))
    assert problem is None, problem
