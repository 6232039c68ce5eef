"""What a dbt manifest says of the nodes of a batch: names, inputs, descriptions, owners. Every field is optional."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batch_audit.lineage.project import read_project
from batch_audit.lineage.project.manifest import Node


@dataclass(frozen=True)
class Described:
    """One node as the manifest describes it; `relation` is empty for what is no relation.

    `inputs` are the relations that it reads, those of ephemeral models in their place. `kind` is a test's generic name,
    `code` the compiled SQL.
    """

    relation: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    path: str | None = None
    description: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    kind: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The nodes of a manifest by unique_id, and the dbt call that made it; None where there is no manifest."""

    invocation_id: str | None = None
    nodes: Mapping[str, Described] = field(default_factory=dict)


def read_manifest(target: Path) -> Manifest:
    """The manifest in dbt's target folder, with the compiled code beside it; an empty one if it cannot be read."""
    try:
        content = json.loads((target / "manifest.json").read_bytes())
        return Manifest(str(content["metadata"]["invocation_id"]), described(content, target / "compiled"))
    except (OSError, ValueError, KeyError, TypeError):
        return Manifest()


def described(manifest: Mapping[str, Any], compiled: Path | None = None) -> dict[str, Described]:
    """The models, seeds, snapshots, sources and tests of a manifest; `compiled` is dbt's target/compiled."""
    relations = read_project(manifest, compiled).nodes
    groups = [_object(group) for group in _object(manifest.get("groups")).values()]
    owned = {str(group.get("name")): _owner_name(group.get("owner")) for group in groups}
    raw = {**_object(manifest.get("nodes")), **_object(manifest.get("sources"))}
    tests = {**raw, **_object(manifest.get("unit_tests"))}
    return {
        unique_id: _described(_object(item), relations.get(unique_id), relations, owned)
        for unique_id, item in tests.items()
    }


def _described(
    item: Mapping[str, Any], node: Node | None, relations: Mapping[str, Node], owned: Mapping[str, str | None]
) -> Described:
    depends = node.inputs if node else (_object(item.get("depends_on")).get("nodes") or ())
    columns = [_object(column) for column in _object(item.get("columns")).values()]
    return Described(
        node.name if node and not node.ephemeral else (),
        tuple(dict.fromkeys(_read(depends, relations, frozenset()))),
        _text(item.get("original_file_path")),
        _text(item.get("description")),
        {str(column["name"]): str(column["description"]) for column in columns if column.get("description")},
        tuple(_owners(item, owned)),
        _test_kind(item),
        _text(node.code if node else item.get("compiled_code")),
    )


def _read(names: Collection[str], relations: Mapping[str, Node], passed: frozenset[str]) -> Iterator[str]:
    """The relations among the nodes; an ephemeral model stands for those that it reads."""
    for name in names:
        node = relations.get(name)
        if node is None or name in passed:
            continue
        if node.ephemeral:
            yield from _read(node.inputs, relations, passed | {name})
        else:
            yield name


def _owners(item: Mapping[str, Any], owned: Mapping[str, str | None]) -> Iterator[str]:
    """The owner in the node's meta, which dbt's documentation proposes, and the owner of its group."""
    config = _object(item.get("config"))
    meta = {**_object(item.get("meta")), **_object(config.get("meta"))}
    found = [_owner_name(meta.get("owner")), owned.get(str(item.get("group") or config.get("group")))]
    yield from dict.fromkeys(owner for owner in found if owner)


def _owner_name(owner: object) -> str | None:
    if isinstance(owner, Mapping):
        return _text(owner.get("name")) or _text(owner.get("email"))
    return _text(owner)


def _test_kind(item: Mapping[str, Any]) -> str | None:
    if item.get("resource_type") == "unit_test":
        return "unit_test"
    if item.get("resource_type") != "test":
        return None
    return _text(_object(item.get("test_metadata")).get("name")) or "custom_sql"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
