"""Checks of the models that ask for record capture: their key, their materialization, their transactions."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator

from batch_audit.setup.checks.hooks import CAPTURED_KINDS, captured_nodes
from batch_audit.setup.context import Context
from batch_audit.setup.findings import Finding, Verdict, some
from batch_audit.setup.hooks import COPY
from batch_audit.setup.keys import NodeData, RecordKey, meta, record_key
from batch_audit.setup.manifest import NO_CAPTURE, Manifest, explicit_capture, post_hooks

_KEY_ARGUMENT = re.compile(r"capture_changes\(\s*(?:key\s*=\s*)?(\[[^\]]*\]|'[^']*'|\"[^\"]*\")")
NAME_KEY = "Name the columns that identify a record: meta: {audit_key: [...]}"


def record_keys(context: Context) -> Iterator[Finding]:
    """Every captured model has a record key, and there is no doubt which."""
    manifest = context.parsed
    for node in captured_nodes(manifest):
        name, key = str(node.get("name")), key_of(manifest, node)
        if not key:
            verdict: Verdict = "warn" if meta(node).get("audit_on_error") == "warn" else "fail"
            why = f"has no record key ({key.reason}), so its changes cannot be captured"
            yield Finding(verdict, name, why, f"{NAME_KEY}, or add a unique test to its key column.")
        elif key.others:
            why = f"record key {', '.join(key.columns)} ({key.rule}), but there are other candidates: "
            yield Finding("warn", name, why + "; ".join(key.others), f"{NAME_KEY}.")
        else:
            yield Finding("ok", name, f"record key {', '.join(key.columns)} ({key.rule})")


def key_columns(context: Context) -> Iterator[Finding]:
    """The columns of a key are among those that the model's YAML documents, where it documents any."""
    manifest = context.parsed
    for node in captured_nodes(manifest):
        documented = {name.casefold(): name for name in node.get("columns") or {}}
        missing = [
            name for name in key_of(manifest, node).columns if name.strip('"`').casefold() not in documented
        ]
        if documented and missing:
            similar = difflib.get_close_matches(missing[0].casefold(), documented, 1)
            hint = f" Did you mean {documented[similar[0]]}?" if similar else ""
            why = f"its key names {', '.join(missing)}, which its documented columns do not have"
            yield Finding(
                "warn", str(node.get("name")), why, f"Correct the key, or document the column.{hint}"
            )


def materializations(context: Context) -> Iterator[Finding]:
    """What asks for capture is something that can be captured."""
    captured = context.parsed.captured
    tables = [str(node.get("unique_id")) for node in captured_nodes(context.parsed)]
    unknown = [node for node in captured if meta(node).get("audit_capture") not in (*NO_CAPTURE, "changes")]
    for node in unknown:
        asked = meta(node).get("audit_capture")
        why = f"its audit_capture is {asked!r}, which the package does not know: the model will fail"
        yield Finding(
            "fail", str(node.get("name")), why, "Write `audit_capture: changes`, or `audit_capture: off`."
        )
    others: dict[str, list[str]] = {}
    for node in captured:
        if node not in unknown and str(node.get("unique_id")) not in tables:
            built = (node.get("config") or {}).get("materialized") or node.get("resource_type")
            others.setdefault(str(built), []).append(str(node.get("name")))
    for built, names in others.items():
        why = f"asks for capture, but only {', '.join(CAPTURED_KINDS)} are captured, and this is of the kind {built}"
        yield Finding("warn", some(names), why, "Remove audit_capture, or materialize it as a table.")
    if not captured:
        remedy = "Add `config: {meta: {audit_capture: changes}}` to a model."
        yield Finding("ok", "captured models", "no model asks for capture yet", remedy)
    elif not unknown and not others:
        yield Finding("ok", "captured models", "everything that asks for capture can be captured")


def transactions(context: Context) -> Iterator[Finding]:
    """The engine can commit a model and its capture together."""
    from batch_audit.warehouses.connect import transactions_disabled

    manifest = context.parsed
    if transactions_disabled(context.settings):
        verdict: Verdict = "fail" if captured_nodes(manifest) else "warn"
        why = "disable_transactions is set, so model and capture cannot commit together: it is refused"
        yield Finding(verdict, "profile", why, "Remove disable_transactions from the target in profiles.yml.")
        return
    yield Finding("ok", "transactions", "a model and its capture are committed together")


def copies(context: Context) -> Iterator[Finding]:
    """What needs a copy of its previous table has the pre-hook that makes it."""
    manifest = context.parsed
    uncopied = [
        str(node.get("name"))
        for node in captured_nodes(manifest)
        if node.get("resource_type") == "model" and _needs_copy(manifest, node)
    ]
    if uncopied:
        why = (
            "needs a copy of its previous table before it is replaced (audit_previous, or a foreign key on DuckDB),"
            " and no pre-hook makes one: its batches will say not_captured"
        )
        yield Finding("fail", some(uncopied), why, "Run `batch-audit init`, which adds the pre-hook.")
    else:
        yield Finding("ok", "copies", "every previous table that must be copied is")


def databases(context: Context) -> Iterator[Finding]:
    """Captured models lie in the store's database: DuckDB writes one database per transaction."""
    home = context.connected.database
    others = [
        node
        for node in captured_nodes(context.parsed)
        if str(node.get("database") or home).casefold() != home.casefold()
    ]
    for node in others:
        why = f"lies in the database {node.get('database')} but the audit store in {home}: capture is refused"
        yield Finding(
            "fail",
            str(node.get("name")),
            why,
            "Build it in the target's own database, or remove audit_capture.",
        )
    if not others:
        yield Finding("ok", home, "holds the audit store and every captured model")


def key_of(manifest: Manifest, node: NodeData) -> RecordKey:
    """A model's record key; a key in the model's own capture line comes first."""
    for hook in post_hooks(node) if explicit_capture(node) else ():
        if argument := _KEY_ARGUMENT.search(hook.sql):
            given = ast.literal_eval(argument[1])
            return RecordKey(tuple(given) if isinstance(given, list) else (given,), "argument")
    return record_key(node, manifest.tests_of(node))


def _needs_copy(manifest: Manifest, node: NodeData) -> bool:
    """Whether a model's previous table must be copied, and nothing does it."""
    if not (meta(node).get("audit_previous") or (manifest.adapter == "duckdb" and _has_foreign_key(node))):
        return False
    hooks = (node.get("config") or {}).get("pre-hook") or ()
    return not any(COPY.call.search(str(hook.get("sql"))) for hook in hooks)


def _has_foreign_key(node: NodeData) -> bool:
    if not ((node.get("config") or {}).get("contract") or {}).get("enforced"):
        return False
    columns = (node.get("columns") or {}).values()
    constraints = [
        *(node.get("constraints") or ()),
        *(c for column in columns for c in column.get("constraints") or ()),
    ]
    return any(constraint.get("type") == "foreign_key" for constraint in constraints)
