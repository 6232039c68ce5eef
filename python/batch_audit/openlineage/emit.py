"""From a batch id to its events, delivered or not: what the command and a run have in common."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from batch_audit.errors import ConfigurationError
from batch_audit.openlineage.events import Event, batch_events
from batch_audit.openlineage.read import Artifacts, batch_run
from batch_audit.openlineage.repository import repository_of
from batch_audit.openlineage.stored import read_stored
from batch_audit.runner.secrets import hide_known, secret_values
from batch_audit.warehouses.base import Warehouse

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
"""The characters of RFC 3986."""


@dataclass(frozen=True)
class Sources:
    """What is known beside the store: the project's folder, dbt's target folder, and code that is at hand."""

    project_dir: Path
    target: Path
    code: Mapping[str, str] = field(default_factory=dict)
    parent: Mapping[str, Any] | None = None


def events_of(
    warehouse: Warehouse, batch_id: str, sources: Sources, jobs: str, datasets: str | None
) -> tuple[list[Event], list[str]]:
    """The events of a batch, and what had to be left out. `jobs` and `datasets` are namespaces.

    Raises StoreMissingError if the store or its views are missing, ConfigurationError for a namespace of datasets
    that is no URI.
    """
    if datasets is not None and not _URI.fullmatch(datasets):
        raise ConfigurationError(
            f"The namespace of datasets {datasets!r} is no URI: give one such as postgres://host:5432."
        )
    stored = read_stored(warehouse, batch_id)
    batch, secrets = stored.batch, secret_values(os.environ)
    repository = repository_of(
        sources.project_dir, batch["git_commit"], batch["git_branch"], batch["git_dirty"]
    )
    artifacts = Artifacts(sources.target, sources.code, lambda text: hide_known(text, secrets))
    run, notes = batch_run(
        stored, datasets or warehouse.location, warehouse.engine, artifacts, repository, sources.parent
    )
    return batch_events(run, jobs), notes


def parent_of(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The run that OPENLINEAGE_PARENT_ID names, `namespace/job/run id`, as schedulers set it for dbt-ol."""
    namespace, _, rest = environment.get("OPENLINEAGE_PARENT_ID", "").rpartition("/")
    namespace, _, job = namespace.rpartition("/")
    try:
        run_id = str(UUID(rest))
    except ValueError:
        return None
    return (
        {"run": {"runId": run_id}, "job": {"namespace": namespace, "name": job}}
        if namespace and job
        else None
    )
