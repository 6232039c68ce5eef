"""Checks of the hooks: those around a run, and the one that captures a model's changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from batch_audit.setup.context import Context
from batch_audit.setup.dbt_command import given_vars
from batch_audit.setup.dispatch import is_dispatched
from batch_audit.setup.findings import Finding, some
from batch_audit.setup.keys import NodeData
from batch_audit.setup.manifest import Manifest, post_hooks
from batch_audit.setup.packages import PACKAGE_NAME

CAPTURED_KINDS = ("table", "incremental", "seed", "snapshot")
RUN_HOOKS = ("on-run-start", "on-run-end")
# Statements that leave a table's rows as they are.
HARMLESS = re.compile(
    r"\s*(grant|revoke|analy[sz]e|vacuum|comment\s+on|create\s+(unique\s+)?index|alter\s+index)\b[^;]*;?\s*",
    re.IGNORECASE,
)
_FALSE = ("false", "no", "off", "0")


def run_hooks(context: Context) -> Iterator[Finding]:
    """The package's on-run-start and on-run-end hooks are in the manifest."""
    ours = [node for node in context.parsed.nodes("operation") if node.get("package_name") == PACKAGE_NAME]
    found = {tag for node in ours for tag in node.get("tags") or ()}
    missing = [name for name in RUN_HOOKS if name not in found]
    if missing:
        why = "dbt does not run the package's hooks, so no run is audited: the package is missing or disabled"
        remedy = (
            f"Remove `+enabled: false` for {PACKAGE_NAME} or for all models from dbt_project.yml,"
            " or run `batch-audit init` if the package is not installed."
        )
        yield Finding("fail", ", ".join(missing), why, remedy)
    else:
        yield Finding("ok", ", ".join(RUN_HOOKS), "the package's hooks run")


def auditing_on(context: Context) -> Iterator[Finding]:
    """The variable that switches the audit off does not."""
    for scope, variables in _variable_scopes(context):
        if str(variables.get("batch_audit_enabled", True)).lower() in _FALSE:
            why = f"is false in {scope}, so no run is audited"
            yield Finding("fail", "batch_audit_enabled", why, "Remove the variable there.")
            return
    yield Finding("ok", "batch_audit_enabled", "no variable switches the audit off")


def capture_on_models(context: Context) -> Iterator[Finding]:
    """Every model that the hook captures and that asks for it has it, inside the transaction."""
    manifest = context.parsed
    without, outside = [], []
    for node in captured_by_hook(manifest):
        hooks = [hook for hook in post_hooks(node) if manifest.calls_capture(hook.sql)]
        if not hooks:
            without.append(str(node.get("name")))
        elif not any(hook.in_transaction for hook in hooks):
            outside.append(str(node.get("name")))
    if without:
        why = "asks for capture, but has no post-hook that does it: its batches will say not_captured"
        yield Finding(
            "fail", some(without), why, "Run `batch-audit init`, which adds the hook for all models."
        )
    if outside:
        why = "the capture hook is set to transaction: false, so model and capture cannot commit together"
        yield Finding("fail", some(outside), why, "Remove `transaction: false` from the capture hook.")
    if not without and not outside:
        count = len(captured_by_hook(manifest))
        yield Finding("ok", f"{count} model{'s' if count != 1 else ''}", "asking for capture, with the hook")


def dispatch(context: Context) -> Iterator[Finding]:
    """What dbt changes in place can be captured: dbt comes to the package's macros before its own."""
    changed_in_place = [
        str(node.get("name"))
        for node in context.parsed.captured
        if (node.get("config") or {}).get("materialized") in CAPTURED_KINDS[1:]
    ]
    if is_dispatched(context.project.get("dispatch")):
        yield Finding("ok", "dispatch", "names the package before dbt")
    elif changed_in_place:
        why = "changes its table in place, and `dispatch` in dbt_project.yml does not name the package before dbt"
        remedy = "Run `batch-audit init`, which adds it. Until then the batches will say not_captured."
        yield Finding("fail", some(changed_in_place), why, remedy)
    else:
        yield Finding("ok", "dispatch", "not needed: no captured model changes its table in place")


def hooks_after_capture(context: Context) -> Iterator[Finding]:
    """No other post-hook inside the transaction runs after the capture: it could change rows unseen."""
    manifest = context.parsed
    after: dict[str, list[str]] = {}
    for node in captured_by_hook(manifest):
        hooks = [hook.sql for hook in post_hooks(node) if hook.in_transaction]
        ours = [place for place, sql in enumerate(hooks) if manifest.calls_capture(sql)]
        for sql in hooks[ours[-1] + 1 :] if ours else ():
            if not HARMLESS.fullmatch(sql):
                after.setdefault(" ".join(sql.split()), []).append(str(node.get("name")))
    for sql, names in after.items():
        why = f"the post-hook `{sql[:80]}` runs after the capture: rows that it changes are not recorded"
        remedy = (
            "Make it a pre-hook or part of the model, or end the model's own post_hook list with"
            ' "{{ batch_audit.capture_changes() }}".'
        )
        yield Finding("warn", some(names), why, remedy)
    if not after:
        yield Finding("ok", "post-hooks", "none that could change rows runs after the capture")


def captured_by_hook(manifest: Manifest) -> list[NodeData]:
    """Those of `captured_nodes` that a post-hook captures; dbt's dispatch leads to the others."""
    return [
        node
        for node in captured_nodes(manifest)
        if node.get("resource_type") == "model"
        and (node.get("config") or {}).get("incremental_strategy") != "microbatch"
    ]


def captured_nodes(manifest: Manifest) -> list[NodeData]:
    """What asks for capture and is of a kind that can be captured."""
    return [
        node for node in manifest.captured if (node.get("config") or {}).get("materialized") in CAPTURED_KINDS
    ]


def _variable_scopes(context: Context) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Everywhere that dbt takes variables from, each with its name for people."""
    yield "--vars", given_vars(context.settings)
    project = context.project.get("vars")
    if not isinstance(project, dict):
        return
    yield "dbt_project.yml, vars", project
    for name in (PACKAGE_NAME, str(context.project.get("name"))):
        if isinstance(scoped := project.get(name), dict):
            yield f"dbt_project.yml, vars of {name}", scoped
