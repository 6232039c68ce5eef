"""The checks of `doctor`: this tuple is what it does, in the order in which it reports.

A check is one function from the context to findings. `needs` names what it reads; when that is missing the
check is reported as not checked, with the reason, and the others go on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from batch_audit.errors import BatchAuditError
from batch_audit.setup.checks import dbt_side, files, hooks, lineage, macros, models, store
from batch_audit.setup.context import Context
from batch_audit.setup.findings import Finding

Need = Literal["project", "manifest", "warehouse"]


class Check(NamedTuple):
    """A named check and what it needs."""

    name: str
    function: Callable[[Context], Iterable[Finding]]
    needs: tuple[Need, ...]


CHECKS = (
    Check("project file", files.project_file, ()),
    Check("package listed", files.package_listed, ()),
    Check("package copy", files.package_copy, ()),
    Check("package in git", files.package_in_git, ()),
    Check("package installed", files.package_installed, ("project",)),
    Check("capture hook", files.capture_hook, ("project",)),
    Check("dbt parse", dbt_side.parses, ()),
    Check("dbt version", dbt_side.version, ()),
    Check("adapter", dbt_side.adapter, ("manifest",)),
    Check("connection", dbt_side.connection, ()),
    Check("run hooks", hooks.run_hooks, ("manifest",)),
    Check("auditing on", hooks.auditing_on, ("project",)),
    Check("capture on models", hooks.capture_on_models, ("manifest",)),
    Check("dispatch", hooks.dispatch, ("project", "manifest")),
    Check("hooks after capture", hooks.hooks_after_capture, ("manifest",)),
    Check("overridden macros", macros.overrides, ("manifest",)),
    Check("schema rule", macros.schema_rule, ("manifest",)),
    Check("record keys", models.record_keys, ("manifest",)),
    Check("key columns", models.key_columns, ("manifest",)),
    Check("materialization", models.materializations, ("manifest",)),
    Check("transactions", models.transactions, ("manifest",)),
    Check("copies", models.copies, ("manifest",)),
    Check("record edges", lineage.record_edges, ("manifest",)),
    Check("databases", models.databases, ("manifest", "warehouse")),
    Check("permissions", store.permissions, ("warehouse",)),
    Check("store", store.store, ("warehouse",)),
    Check("protection", store.protection, ("warehouse",)),
    Check("package views", store.package_views, ("warehouse",)),
    Check("spool", store.spool, ()),
)


def run_checks(context: Context) -> list[Finding]:
    """The findings of all checks, in their order."""
    return [finding for check in CHECKS for finding in _run(check, context)]


def _run(check: Check, context: Context) -> Iterable[Finding]:
    missing = [need for need in check.needs if getattr(context, need) in (None, {})]
    if missing:
        yield Finding("not checked", missing[0], _MISSING[missing[0]], check=check.name)
        return
    try:
        for finding in check.function(context):
            yield dataclasses.replace(finding, check=check.name)
    except BatchAuditError as error:
        yield Finding("not checked", check.name, str(error), check=check.name)


_MISSING: dict[Need, str] = {
    "project": "dbt_project.yml cannot be read, see `project file`",
    "manifest": "the project could not be parsed, see `dbt parse`",
    "warehouse": "there is no connection, see `connection`",
}
