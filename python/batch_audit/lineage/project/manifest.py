"""A dbt manifest as relations: what the project builds, reads and shows, and the code that makes it.

Every field of a manifest is optional (dbt's JSON schema, manifest v12): what is missing is simply not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

BUILT = ("model", "seed", "snapshot")
EPHEMERAL_PREFIX = "__dbt__cte__"
_DIALECTS = {"sqlserver": "tsql", "fabric": "fabric", "synapse": "tsql", "spark": "spark", "glue": "spark"}
_WRITES = re.compile(r"^\s*(insert|update|merge)\b", re.IGNORECASE)
_JINJA = re.compile(r"\{\{\s*(.+?)\s*\}\}", re.DOTALL)
_REF = re.compile(r"(ref|source)\(\s*['\"]([^'\"]+)['\"]\s*(?:,\s*['\"]([^'\"]+)['\"]\s*)?\)$")


@dataclass(frozen=True, slots=True)
class Hook:
    """A statement of a pre-hook or post-hook that writes; `sql` is None where its Jinja cannot be rendered here."""

    when: str
    sql: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the project. `name` are database, schema and alias, as far as they are known.

    `code` is the compiled SQL, None where it is not known. `documented` are the columns of the YAML in its order,
    `personal` those that are tagged `audit_pii`. `file` is where dbt writes the code, under target/compiled.
    """

    unique_id: str
    kind: str
    name: tuple[str, ...] = ()
    materialized: str | None = None
    language: str = "sql"
    code: str | None = None
    inputs: tuple[str, ...] = ()
    documented: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    microbatch: bool = False
    file: str | None = None

    @property
    def ephemeral(self) -> bool:
        """Whether it is no relation but a piece of those that read it."""
        return self.kind == "model" and self.materialized == "ephemeral"

    @property
    def relation(self) -> str:
        """The dotted name under which SQL reads it."""
        if self.ephemeral:
            return EPHEMERAL_PREFIX + (self.name[-1] if self.name else "")
        return ".".join(self.name)


@dataclass(frozen=True)
class Project:
    """The nodes of a project by unique_id, and the dialect of its SQL."""

    nodes: Mapping[str, Node]
    dialect: str | None
    name: str | None = None

    def named(self) -> dict[str, str]:
        """Relation name in lower case to unique_id; two nodes of one name (a seed and its source) are one relation."""
        found: dict[str, str] = {}
        for node in self.nodes.values():
            if node.kind != "exposure" and node.name:
                found.setdefault(node.relation.lower(), node.unique_id)
        return found


def read_project(
    manifest: Mapping[str, Any], compiled: Path | None = None, code: Mapping[str, str] | None = None
) -> Project:
    """The project that a manifest describes.

    Compiled code is that of `code` (by unique_id), else the manifest's own, else the file under `compiled`, dbt's
    target/compiled.
    """
    metadata = _object(manifest.get("metadata"))
    adapter = str(metadata.get("adapter_type") or "")
    given = code or {}
    raw = {**_object(manifest.get("nodes")), **_object(manifest.get("sources"))}
    raw = {key: _object(value) for key, value in raw.items()}
    names = {key: _name(value) for key, value in raw.items()}
    nodes = {}
    for unique_id, item in raw.items():
        kind = str(item.get("resource_type") or unique_id.split(".")[0])
        if kind in (*BUILT, "source"):
            text = given.get(unique_id) or item.get("compiled_code")
            node = _node(unique_id, kind, item, text, names)
            nodes[unique_id] = node if node.code or compiled is None else with_file(node, compiled)
    for unique_id, value in _object(manifest.get("exposures")).items():
        nodes[unique_id] = Node(unique_id, "exposure", inputs=_inputs(_object(value)))
    project = metadata.get("project_name")
    return Project(nodes, _DIALECTS.get(adapter, adapter) or None, None if project is None else str(project))


def _node(
    unique_id: str, kind: str, item: Mapping[str, Any], code: str | None, names: Mapping[str, tuple[str, ...]]
) -> Node:
    config = _object(item.get("config"))
    columns = [_object(value) | {"key": key} for key, value in _object(item.get("columns")).items()]
    personal = tuple(_column_name(column) for column in columns if _is_personal(column))
    snapshot = {
        key: config.get(key)
        for key in ("strategy", "updated_at", "unique_key", "snapshot_meta_column_names")
        if kind == "snapshot"
    }
    return Node(
        unique_id, kind, names[unique_id], config.get("materialized"), str(item.get("language") or "sql"),
        None if kind in ("seed", "source") else code, _inputs(item), tuple(map(_column_name, columns)), personal,
        tuple(_hooks(unique_id, item, names)), snapshot, config.get("incremental_strategy") == "microbatch",
        _compiled_file(item),
    )  # fmt: skip


def _column_name(column: Mapping[str, Any]) -> str:
    return str(column.get("name") or column["key"])


def _is_personal(column: Mapping[str, Any]) -> bool:
    """`audit_pii` in a column's meta, where dbt 1.11 and earlier versions keep it."""
    meta = {**_object(column.get("meta")), **_object(_object(column.get("config")).get("meta"))}
    return meta.get("audit_pii") not in (None, False, "false", "no", "none")


def _name(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Database, schema and alias; a database may be missing (Spark)."""
    last = item.get("alias") or item.get("identifier") or item.get("name")
    return tuple(str(part) for part in (item.get("database"), item.get("schema"), last) if part)


def _inputs(item: Mapping[str, Any]) -> tuple[str, ...]:
    nodes = _object(item.get("depends_on")).get("nodes") or ()
    return tuple(dict.fromkeys(map(str, nodes)))


def _hooks(unique_id: str, item: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]) -> Iterator[Hook]:
    config = _object(item.get("config"))
    for when in ("pre-hook", "post-hook"):
        for hook in config.get(when) or config.get(when.replace("-", "_")) or ():
            text = str(_object(hook).get("sql") or hook)
            for statement in text.split(";"):
                if _WRITES.match(statement):
                    yield Hook(when, _rendered(statement, unique_id, item, names), statement.strip())


def _rendered(
    text: str, unique_id: str, item: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]
) -> str | None:
    """A hook with `this`, `ref` and `source` written out: the manifest keeps hooks as templates. Else None."""
    unknown = []

    def one(match: re.Match[str]) -> str:
        found = names[unique_id] if match[1] == "this" else _referred(match[1], item, names)
        if not found:
            unknown.append(match[1])
        return ".".join('"' + part.replace('"', '""') + '"' for part in found)

    rendered = _JINJA.sub(one, text)
    return None if unknown or "{%" in rendered or "{{" in rendered else rendered


def _referred(
    expression: str, item: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    match = _REF.match(expression)
    if match is None:
        return ()
    wanted = [part for part in (match[2], match[3]) if part]
    for unique_id in _inputs(item):
        parts = unique_id.split(".")
        kinds = ("source",) if match[1] == "source" else BUILT
        if parts[0] in kinds and parts[-len(wanted) :][-1] == wanted[-1] and set(wanted) <= set(parts[1:]):
            return names.get(unique_id, ())
    return ()


def with_file(node: Node, compiled: Path) -> Node:
    """The node with the code that dbt wrote under target/compiled; as it is where there is no such file."""
    if node.file is None:
        return node
    try:
        return replace(node, code=(compiled / node.file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return node


def _compiled_file(item: Mapping[str, Any]) -> str | None:
    """dbt's rule: <package>/<original file path>, and the node's own path below it where a file has many nodes."""
    package, file, path = item.get("package_name"), item.get("original_file_path"), item.get("path")
    if not package or not file or item.get("language") == "python":
        return None
    many = path and Path(str(path)).name != Path(str(file)).name
    return f"{package}/{file}/{path}" if many else f"{package}/{file}"


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
