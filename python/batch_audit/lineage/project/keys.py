"""The key of each relation of a manifest, found as the macro record_key finds it, and for sources, too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"
_NAME = re.compile(r'[^\W\d]\w*|"[^"]+"|`[^`]+`')
_COMBINATIONS = ("unique_combination_of_columns", "unique_combination")


@dataclass(frozen=True, slots=True)
class RecordKey:
    """The columns that identify a record, empty when they are not known, and the rule that gave them."""

    columns: tuple[str, ...] = ()
    rule: str = UNKNOWN


def record_keys(manifest: Mapping[str, Any]) -> dict[str, RecordKey]:
    """The key of every model, seed, snapshot and source of a manifest by unique_id.

    Order of the rules: see macros/capture/record_key.sql.
    """
    nodes = {str(key): _object(value) for key, value in _object(manifest.get("nodes")).items()}
    sources = {str(key): _object(value) for key, value in _object(manifest.get("sources")).items()}
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for node in nodes.values():
        if node.get("resource_type") == "test" and node.get("test_metadata"):
            tests.setdefault(_tested(node), []).append(_object(node["test_metadata"]))
    described = {
        **{key: node for key, node in nodes.items() if key.split(".")[0] in ("model", "seed", "snapshot")},
        **sources,
    }
    return {key: _record_key(node, tests.get(key, ())) for key, node in described.items()}


def _tested(test: Mapping[str, Any]) -> str:
    """What a generic test tests: dbt attaches it to a node, and leaves a source among what it depends on."""
    attached = test.get("attached_node")
    if attached:
        return str(attached)
    nodes = _object(test.get("depends_on")).get("nodes") or []
    return str(nodes[0]) if len(nodes) == 1 else ""


def _record_key(node: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> RecordKey:
    config = _object(node.get("config"))
    stated = {**_object(node.get("meta")), **_object(config.get("meta"))}.get("audit_key")
    if stated:
        return RecordKey(_texts(stated), "audit_key")
    constrained = _constraint_key(node)
    if constrained:
        return RecordKey(constrained, "primary_key constraint")
    filled = _tested_columns(node, tests, "not_null")
    unique = _tested_columns(node, tests, "unique")
    both = [name for name in unique if name in filled]
    if both:
        return RecordKey((both[0],), "unique and not_null tests")
    if unique:
        return RecordKey((unique[0],), "unique test")
    combinations = sorted(
        sorted(_texts(_object(test.get("kwargs"))["combination_of_columns"]))
        for test in tests
        if test.get("name") in _COMBINATIONS and _object(test.get("kwargs")).get("combination_of_columns")
    )
    if combinations:
        return RecordKey(tuple(combinations[0]), "unique combination test")
    inferred = sorted(_texts(node.get("primary_key")))
    if inferred:
        return RecordKey(tuple(inferred), "primary_key inferred by dbt")
    matched = _texts(config.get("unique_key"))
    if matched and all(map(_NAME.fullmatch, matched)):
        return RecordKey(matched, "unique_key of the model")
    return RecordKey()


def _constraint_key(node: Mapping[str, Any]) -> tuple[str, ...]:
    for constraint in map(_object, node.get("constraints") or ()):
        if constraint.get("type") == "primary_key" and constraint.get("columns"):
            return tuple(sorted(_texts(constraint["columns"])))
    for name, column in _object(node.get("columns")).items():
        for constraint in map(_object, _object(column).get("constraints") or ()):
            if constraint.get("type") == "primary_key":
                return (str(name),)
    return ()


def _tested_columns(node: Mapping[str, Any], tests: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    """The columns with a test of this name: documented ones in their order, then others (no expressions) by name."""
    documented = [str(column) for column in _object(node.get("columns"))]
    tested = set()
    for test in tests:
        if test.get("name") == name:
            column = str(_object(test.get("kwargs")).get("column_name"))
            # dbt hands a quoted column to its test in quotes.
            bare = column[1:-1]
            tested.add(bare if column not in documented and bare in documented else column)
    others = sorted(column for column in tested if column not in documented and _NAME.fullmatch(column))
    return [column for column in documented if column in tested] + others


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return (
        (value,)
        if isinstance(value, str)
        else tuple(map(str, value))
        if isinstance(value, (list, tuple))
        else ()
    )


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
