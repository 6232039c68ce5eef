"""What the checks look at: the project's files, its manifest and its warehouse, or why one is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_audit.errors import BatchAuditError, ConfigurationError, StoreMissingError
from batch_audit.package import package_dir
from batch_audit.settings import Settings
from batch_audit.setup.dbt_command import given_vars, run_dbt
from batch_audit.setup.manifest import Manifest
from batch_audit.setup.packages import PACKAGE_NAME
from batch_audit.setup.plan import read_text
from batch_audit.setup.yaml_tree import load
from batch_audit.warehouses.base import Warehouse

PARSE_TARGET_PATH = "target/batch_audit/doctor"
_SCHEMA = "batch_audit_schema"


@dataclass
class Context:
    """Everything that can be known; `problems` says in words why `manifest` or `warehouse` is None."""

    settings: Settings
    package: Path
    project: Mapping[str, Any]
    manifest: Manifest | None = None
    warehouse: Warehouse | None = None
    new_database: bool = False
    problems: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def audit_schema(self) -> str | None:
        """The audit store's schema as given or as dbt resolved it, None when neither says it."""
        if self.settings.audit_schema or self.manifest is None:
            return self.settings.audit_schema
        variables = self.project.get("vars")
        declared = variables if isinstance(variables, dict) else {}
        ours = declared.get(PACKAGE_NAME)
        scopes = (given_vars(self.settings), ours if isinstance(ours, dict) else {}, declared)
        found = (scope[_SCHEMA] for scope in scopes if _SCHEMA in scope)
        return self.manifest.audit_schema(str(next(found, "audit")))

    def close(self) -> None:
        """Let go of the warehouse."""
        if self.warehouse is not None:
            self.warehouse.close()

    @property
    def parsed(self) -> Manifest:
        """The manifest, for checks that need it; raises ConfigurationError without one."""
        if self.manifest is None:
            raise ConfigurationError(self.problems.get("manifest", "the project was not parsed"))
        return self.manifest

    @property
    def connected(self) -> Warehouse:
        """The warehouse, for checks that need it; raises ConfigurationError without one."""
        if self.warehouse is None:
            raise ConfigurationError(self.problems.get("warehouse", "no connection was tried"))
        return self.warehouse


def make_context(settings: Settings) -> Context:
    """Read the project, parse it with dbt and connect to its warehouse.

    Raises ConfigurationError when there is no project at all; every other failure is one of `problems`.
    """
    text = read_text(settings.project_dir / "dbt_project.yml", settings.project_dir)
    if text is None:
        raise ConfigurationError(
            f"No dbt_project.yml in {settings.project_dir} or a folder above it.\n"
            "  Run the command inside a dbt project, or name its folder with --project-dir."
        )
    context = Context(settings, package_dir(), {})
    try:
        values = load(text, "dbt_project.yml")
        context.project = values if isinstance(values, dict) else {}
    except ConfigurationError as error:
        context.problems["project"] = str(error)
    _parse_and_connect(context)
    return context


def _parse_and_connect(context: Context) -> None:
    from batch_audit.warehouses import open_warehouse, preload

    with ThreadPoolExecutor(1) as pool:
        # dbt parses in a process of its own while this one imports what the connection needs.
        parsing = pool.submit(parse_project, context.settings)
        preload()
        try:
            context.manifest = parsing.result()
        except ConfigurationError as error:
            context.problems["manifest"] = str(error)
    try:
        named = dataclasses.replace(context.settings, audit_schema=context.audit_schema)
        context.warehouse = open_warehouse(named)
    except BatchAuditError as error:
        context.new_database = isinstance(error, StoreMissingError)
        context.problems["warehouse"] = str(error)


def parse_project(settings: Settings) -> Manifest:
    """Parse the project with dbt into a folder of our own, so that the user's artefacts stay as they are.

    dbt's partial parsing decides what is stale (files, vars, profile, environment): nothing is guessed.
    Raises ConfigurationError with dbt's own words.
    """
    result = run_dbt(settings, ["parse", "--target-path", PARSE_TARGET_PATH])
    if result.status != 0:
        raise ConfigurationError(result.message())
    try:
        return Manifest.read(settings.project_dir / PARSE_TARGET_PATH / "manifest.json")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"dbt parse wrote no manifest that can be read: {error}") from error
