"""Checks of macros that stand in for ours, or for those of dbt on which a capture depends."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batch_audit.setup.context import Context
from batch_audit.setup.dbt_command import ADAPTERS
from batch_audit.setup.findings import Finding
from batch_audit.setup.packages import PACKAGE_NAME

PREFIXES = ("default", *ADAPTERS)
# What goes wrong when a project replaces a macro of dbt's own.
RELIED_ON = {
    "make_backup_relation": "the capture finds the previous table by the name that this macro gives to it",
    "load_cached_relation": "the capture finds the previous table with this macro",
    "run_hooks": "the capture hook runs through this macro, inside the model's transaction",
    "statement": "the audit reads and writes through this macro",
    "run_query": "the audit reads and writes through this macro",
    "process_schema_changes": "the rows of an incremental model are kept in it before they change",
    "reset_csv_table": "the rows of a seed are kept in it before they are replaced",
    "snapshot_merge_sql": "the rows of a snapshot are kept in it before they change",
    "persist_docs": "seeds, snapshots and microbatch models are captured in it",
    "materialization_incremental": "the capture expects dbt's order: compare schemas, change, post-hooks, commit",
    "materialization_table": "the capture expects dbt's order: keep the old table, run post-hooks, drop it",
}
SCHEMA_RULE = "generate_schema_name"


def overrides(context: Context) -> Iterator[Finding]:
    """No macro of the user's takes the place of one that the audit needs."""
    found = [*_replaced_ours(context), *_replaced_dbt(context)]
    yield from found
    if not found:
        yield Finding("ok", "macros", "none replaces a macro that the audit needs")


def schema_rule(context: Context) -> Iterator[Finding]:
    """Which schema the audit store gets, and by whose rule."""
    rule = next(
        (place for name, place in _user_macros(context) if name in _spellings(SCHEMA_RULE)), "dbt's rule"
    )
    schema = context.settings.audit_schema
    if schema is None and context.parsed:
        schema = context.audit_schema
    if schema is None:
        yield Finding("not checked", "audit schema", "no node of the package says it")
    else:
        yield Finding("ok", schema, f"is the audit store's schema, by {rule}")


def _replaced_ours(context: Context) -> Iterator[Finding]:
    ours = {
        str(macro.get("name"))
        for macro in context.parsed.macros()
        if macro.get("package_name") == PACKAGE_NAME
    }
    dispatched = {
        name.split("__", 1)[1] for name in ours if name.split("__", 1)[0] in PREFIXES and "__" in name
    }
    taken = {f"{prefix}__{name}" for name in dispatched for prefix in PREFIXES}
    for name, place in _user_macros(context, PACKAGE_NAME):
        if name in taken:
            why = f"({place}) takes the place of the package's own: the audit then stores something else"
            yield Finding("fail", name, why, "Rename the macro, or take its package out of `dispatch`.")
        elif name == PACKAGE_NAME:
            why = f"({place}) hides the package of the same name from every call"
            yield Finding("fail", name, why, "Rename the macro.")


def _replaced_dbt(context: Context) -> Iterator[Finding]:
    names = {spelling: name for name in RELIED_ON for spelling in _spellings(name)}
    for name, place in _user_macros(context, "dbt"):
        if name in names:
            why = f"({place}) replaces dbt's own: {RELIED_ON[names[name]]}"
            remedy = "Compare a captured batch with the table, or remove the macro."
            yield Finding("warn", name, why, remedy)


def _spellings(name: str) -> set[str]:
    """The names by which a macro is replaced: its own, by dispatch, or (materializations) by a suffix."""
    if name.startswith("materialization_"):
        return {f"{name}_{prefix}" for prefix in PREFIXES}
    return {name, *(f"{prefix}__{name}" for prefix in PREFIXES)}


def _user_macros(context: Context, namespace: str = "dbt") -> Iterator[tuple[str, str]]:
    """Name and place of the macros that dbt prefers to those of `namespace`."""
    searched = {context.parsed.project}
    for entry in context.project.get("dispatch") or ():
        if isinstance(entry, dict) and entry.get("macro_namespace") == namespace:
            searched |= {str(name) for name in entry.get("search_order") or ()}
    searched -= {PACKAGE_NAME, "dbt", *(f"dbt_{name}" for name in ADAPTERS)}
    for macro in context.parsed.macros():
        if macro.get("package_name") in searched:
            path = re.sub(r"\\", "/", str(macro.get("original_file_path")))
            yield str(macro.get("name")), f"{macro.get('package_name')}: {path}"
