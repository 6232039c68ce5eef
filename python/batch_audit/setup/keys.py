"""The record key of a model by dbt's manifest: which columns identify a record, and which rule says so.

The rules, the first that applies wins: `audit_key` in the model's meta; a primary key constraint; a unique
and a not_null test on the same column; a unique test; a test of a unique combination of columns; what dbt-core
itself put into the manifest's `primary_key` (it also looks at disabled tests); the columns that dbt itself matches
rows by (`unique_key`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NodeData = Mapping[str, Any]
COMBINATION_TESTS = ("unique_combination_of_columns", "unique_combination")
_COLUMN_NAME = re.compile(r'[^\W\d]\w*|"[^"]+"|`[^`]+`')


@dataclass(frozen=True)
class RecordKey:
    """Columns that identify a record and the rule that gave them, or no columns and the reason.

    `others` are further columns that would have been chosen as well: unique, but not needed.
    """

    columns: tuple[str, ...]
    rule: str
    reason: str = ""
    others: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns)


def record_key(node: NodeData, tests: Iterable[NodeData]) -> RecordKey:
    """The record key of a manifest node; `tests` are the enabled tests attached to it.

    Inferred keys of several columns are sorted by name, as dbt-core sorts them: the order is part of the id.
    """
    tests = list(tests)
    for rule in RULES:
        if (key := rule(node, tests)) is not None:
            return key
    return RecordKey((), "unknown", "no audit_key, no primary key constraint and no unique test")


def record_keys(manifest: NodeData) -> dict[str, RecordKey]:
    """The record key of every model, seed, snapshot and source of a manifest, by unique_id."""
    nodes = manifest.get("nodes") or {}
    tests: dict[str, list[NodeData]] = {}
    for node in nodes.values():
        if node.get("resource_type") == "test" and node.get("test_metadata"):
            tests.setdefault(_tested(node), []).append(node)
    with_records = {
        key: node for key, node in nodes.items() if key.split(".")[0] in ("model", "seed", "snapshot")
    }
    every = {**with_records, **(manifest.get("sources") or {})}
    return {key: record_key(node, tests.get(key, ())) for key, node in every.items()}


def _tested(test: NodeData) -> str:
    """What a generic test tests: dbt attaches it to a node, and leaves a source among what it depends on."""
    depends_on = list((test.get("depends_on") or {}).get("nodes") or ())
    return str(test.get("attached_node") or (depends_on[0] if len(depends_on) == 1 else ""))


def stated_key(node: NodeData, tests: Sequence[NodeData]) -> RecordKey | None:
    """`audit_key` in the model's meta: a name or a list of names."""
    stated = meta(node).get("audit_key")
    if not stated:
        return None
    columns = stated if isinstance(stated, list) else [stated]
    return RecordKey(tuple(str(column) for column in columns), "audit_key")


def constraint_key(node: NodeData, tests: Sequence[NodeData]) -> RecordKey | None:
    """A primary key constraint of the model, or of one of its columns."""
    for constraint in node.get("constraints") or ():
        if constraint.get("type") == "primary_key" and constraint.get("columns"):
            return RecordKey(tuple(sorted(constraint["columns"])), "primary_key constraint")
    for name, column in (node.get("columns") or {}).items():
        if any(constraint.get("type") == "primary_key" for constraint in column.get("constraints") or ()):
            return RecordKey((name,), "primary_key constraint")
    return None


def unique_and_not_null_key(node: NodeData, tests: Sequence[NodeData]) -> RecordKey | None:
    """A column with a unique and a not_null test."""
    filled = set(_tested_columns(node, tests, "not_null"))
    unique = [column for column in _tested_columns(node, tests, "unique") if column in filled]
    return _first_of(unique, "unique and not_null tests")


def unique_key(node: NodeData, tests: Sequence[NodeData]) -> RecordKey | None:
    """A column with a unique test."""
    return _first_of(_tested_columns(node, tests, "unique"), "unique test")


def combination_key(node: NodeData, tests: Sequence[NodeData]) -> RecordKey | None:
    """Columns that are tested to be unique together (dbt_utils.unique_combination_of_columns)."""
    found = sorted(
        tuple(sorted(columns))
        for test in tests
        if _test_name(test) in COMBINATION_TESTS
        and (columns := _arguments(test).get("combination_of_columns"))
    )
    if not found:
        return None
    return RecordKey(found[0], "unique combination test", others=tuple(", ".join(key) for key in found[1:]))


def dbt_key(node: NodeData, tests: Sequence[NodeData]) -> RecordKey | None:
    """dbt-core's own inference, which has something to add only where a test is disabled."""
    inferred = node.get("primary_key") or ()
    return RecordKey(tuple(sorted(inferred)), "primary_key inferred by dbt") if inferred else None


def matched_key(node: NodeData, tests: Sequence[NodeData]) -> RecordKey | None:
    """The `unique_key` of a snapshot or an incremental model, where it names columns and is no expression."""
    stated = (node.get("config") or {}).get("unique_key") or ()
    columns = tuple(str(name) for name in ([stated] if isinstance(stated, str) else stated))
    named = columns and all(_COLUMN_NAME.fullmatch(name) for name in columns)
    return RecordKey(columns, "unique_key of the model") if named else None


RULES: tuple[Callable[[NodeData, Sequence[NodeData]], RecordKey | None], ...] = (
    stated_key,
    constraint_key,
    unique_and_not_null_key,
    unique_key,
    combination_key,
    dbt_key,
    matched_key,
)


def meta(node: NodeData) -> Mapping[str, Any]:
    """The meta of a node, where dbt keeps it in this version: in its config, or beside it."""
    found = (node.get("config") or {}).get("meta") or node.get("meta")
    return found if isinstance(found, dict) else {}


def _first_of(columns: Sequence[str], rule: str) -> RecordKey | None:
    return RecordKey((columns[0],), rule, others=tuple(columns[1:])) if columns else None


def _tested_columns(node: NodeData, tests: Sequence[NodeData], name: str) -> list[str]:
    """The columns with a test of this name: documented columns in their order, then others by name."""
    documented = list(node.get("columns") or {})
    tested = {str(_arguments(test).get("column_name")) for test in tests if _test_name(test) == name}
    others = sorted(column for column in tested - set(documented) if _COLUMN_NAME.fullmatch(column))
    return [column for column in documented if column in tested] + others


def _test_name(test: NodeData) -> str:
    return str((test.get("test_metadata") or {}).get("name"))


def _arguments(test: NodeData) -> Mapping[str, Any]:
    arguments = (test.get("test_metadata") or {}).get("kwargs")
    return arguments if isinstance(arguments, dict) else {}
