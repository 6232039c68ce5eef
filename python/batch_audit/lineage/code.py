"""The SQL that built each node, with what it reads and the keys of both: what records are traced by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from batch_audit.lineage.project.manifest import Node, Project, read_project
from batch_audit.setup.keys import RecordKey, record_keys

_NO_KEY = RecordKey((), "unknown")


@dataclass(frozen=True, slots=True)
class NodeCode:
    """One node: `relation` are its database, schema and name, `kind` is `source`, `seed`, `snapshot` or a model's
    materialization (`table`, `view`, `incremental` …).

    `sql` is its compiled SQL with its ephemeral models in it, None where there is none or it is not known; `hidden`
    tells that secrets were cut out of it, so that it no longer runs. `key` are the columns that identify its records,
    empty when they are not known, and `key_rule` what told them. `inputs` are the nodes whose relations its SQL reads.
    The batch is the one that recorded it, if it is from the store; `recorded_at` is in microseconds UTC.
    """

    node: str
    relation: tuple[str, ...]
    kind: str
    dialect: str | None = None
    language: str = "sql"
    sql: str | None = None
    sql_hash: str | None = None
    hidden: bool = False
    key: tuple[str, ...] = ()
    key_rule: str = "unknown"
    inputs: tuple[str, ...] = ()
    microbatch: bool = False
    unique_key: tuple[str, ...] = ()
    batch_id: str | None = None
    batch_month: str | None = None
    recorded_at: int | None = None

    @property
    def name(self) -> str:
        """The node's name without its type and project."""
        return self.node.split(".", 2)[-1]

    @property
    def leaf(self) -> bool:
        """Whether its records come from outside the project."""
        return self.kind in ("source", "seed")


def codes_of_manifest(
    manifest: Mapping[str, Any], compiled: Path | None = None, code: Mapping[str, str] | None = None
) -> dict[str, NodeCode]:
    """The code of every node of a manifest by unique_id; see `read_project` for `compiled` and `code`."""
    return codes_of_project(read_project(manifest, compiled, code), record_keys(manifest))


def codes_of_project(project: Project, keys: Mapping[str, RecordKey]) -> dict[str, NodeCode]:
    """The code of every node of a project by unique_id, with the keys that its manifest tells."""
    return {
        node.unique_id: _code(node, project, keys.get(node.unique_id, _NO_KEY))
        for node in project.nodes.values()
        if node.kind != "exposure"
    }


def _code(node: Node, project: Project, key: RecordKey) -> NodeCode:
    matched = node.snapshot.get("unique_key") or ()
    kind = (node.materialized or "table") if node.kind == "model" else node.kind
    sql = node.code if node.language == "sql" else None
    return NodeCode(
        node.unique_id, node.name, kind, project.dialect, node.language, sql, key=key.columns, key_rule=key.rule,
        inputs=tuple(dict.fromkeys(_stored_inputs(node, project, {node.unique_id}))), microbatch=node.microbatch,
        unique_key=(matched,) if isinstance(matched, str) else tuple(map(str, matched)),
    )  # fmt: skip


def _stored_inputs(node: Node, project: Project, seen: set[str]) -> Iterator[str]:
    """What its SQL reads: of an ephemeral model, whose SQL is in it, the inputs of that."""
    for name in node.inputs:
        other = project.nodes.get(name)
        if other is not None and other.ephemeral and name not in seen:
            yield from _stored_inputs(other, project, seen | {name})
        elif other is not None and not other.ephemeral:
            yield name


def as_recorded(code: NodeCode, codes: Mapping[str, NodeCode]) -> dict[str, Any]:
    """What a run records of a node's code, as JSON: itself, and each input as far as a key goes."""
    inputs = [codes[name] for name in code.inputs if name in codes]
    return {
        **_place(code), "dialect": code.dialect, "language": code.language, "sql": code.sql, "hidden": code.hidden,
        "microbatch": code.microbatch, "unique_key": list(code.unique_key),
        "inputs": [{"node": one.node, **_place(one)} for one in inputs],
    }  # fmt: skip


def _place(code: NodeCode) -> dict[str, Any]:
    return {
        "relation": list(code.relation), "kind": code.kind, "key": list(code.key), "key_rule": code.key_rule,
    }  # fmt: skip


def codes_from_records(records: Mapping[str, Mapping[str, Any]]) -> dict[str, NodeCode]:
    """The code of nodes by unique_id from their recorded lineage (`lineage_records`).

    Seeds, sources and other nodes that no run has recorded by themselves are known from what reads them: by the newest
    record that names them.
    """
    found: dict[str, NodeCode] = {}
    named: dict[str, NodeCode] = {}
    for node, record in sorted(records.items(), key=lambda item: int(item[1]["occurred_at"])):
        told = record["told"].get("code")
        if told is None:
            continue
        for one in told["inputs"]:
            named[one["node"]] = _place_of(one["node"], one, record)
        found[node] = replace(
            _place_of(node, told, record), dialect=told["dialect"], language=told["language"], sql=told["sql"],
            sql_hash=record["told"].get("sql_hash"), hidden=told["hidden"], microbatch=told["microbatch"],
            unique_key=tuple(told["unique_key"]), inputs=tuple(one["node"] for one in told["inputs"]),
        )  # fmt: skip
    return {**named, **found}


def _place_of(node: str, told: Mapping[str, Any], record: Mapping[str, Any]) -> NodeCode:
    return NodeCode(
        node, tuple(told["relation"]), told["kind"], key=tuple(told["key"]), key_rule=told["key_rule"],
        batch_id=str(record["batch_id"]), batch_month=str(record["batch_month"]),
        recorded_at=int(record["occurred_at"]),
    )  # fmt: skip
