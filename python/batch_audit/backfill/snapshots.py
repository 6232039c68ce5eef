"""The snapshots of a project: where each lies, and which of its columns say what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.setup.keys import NodeData, meta, record_key
from batch_audit.setup.manifest import NO_CAPTURE, Manifest

AUDIT_COLUMNS = ("audit_batch_id", "audit_loaded_at", "audit_record_hash")
"""What the macro `audit_columns` adds to a model; a capture ignores them by itself."""
_META_COLUMNS = ("dbt_valid_from", "dbt_valid_to", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted")
_SHOWN = 8


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as dbt's manifest describes it.

    `own` has the names of dbt's columns by their usual names; `forever` is the SQL of `dbt_valid_to_current`.
    `local` tells that its times are those of dbt's session (strategy `check`), and not the project's own.
    """

    unique_id: str
    database: str
    schema: str
    table: str
    relation: str
    key: tuple[str, ...]
    key_rule: str
    own: Mapping[str, str]
    forever: str | None
    ignored: tuple[str, ...]
    local: bool
    captured: bool

    @property
    def name(self) -> str:
        """The snapshot's name without its type and project."""
        return self.unique_id.split(".", 2)[-1]


def select_snapshots(manifest: Manifest, names: Sequence[str]) -> list[Snapshot]:
    """The snapshots with these names or unique_ids, without names those that ask for capture; by unique_id.

    Raises ConfigurationError, once for all of them, for what is no snapshot or has no record key, and if there is none.
    """
    known = [_snapshot(manifest, node) for node in manifest.nodes("snapshot")]
    chosen, problems = _chosen(known, names)
    problems += [
        f"{snapshot.name} has no record key, so its versions cannot be told apart. Name the columns that identify a"
        " record: meta: {audit_key: [...]}."
        for snapshot in chosen
        if not snapshot.key
    ]
    if problems:
        raise ConfigurationError("Nothing was written.\n  " + "\n  ".join(problems))
    return sorted(chosen, key=lambda snapshot: snapshot.unique_id)


def _chosen(known: Sequence[Snapshot], names: Sequence[str]) -> tuple[list[Snapshot], list[str]]:
    if not names:
        chosen = [snapshot for snapshot in known if snapshot.captured]
        none = (
            "No snapshot of this project asks for capture. Name the snapshots to backfill, or let them ask for it:"
            f" meta: {{audit_capture: changes}}. {_listed(known)}"
        )
        return chosen, [] if chosen else [none]
    found: dict[str, Snapshot] = {}
    problems = []
    for name in names:
        named = [snapshot for snapshot in known if name in (snapshot.name, snapshot.unique_id)]
        if len(named) == 1:
            found[named[0].unique_id] = named[0]
        elif named:
            ids = ", ".join(snapshot.unique_id for snapshot in named)
            problems.append(f"{name!r} names several snapshots: {ids}. Give the unique_id.")
        else:
            problems.append(f"The project has no snapshot {name!r}. {_listed(known)}")
    return list(found.values()), problems


def _listed(known: Sequence[Snapshot]) -> str:
    names = sorted(snapshot.name for snapshot in known)
    more = ", …" if len(names) > _SHOWN else ""
    return f"It has: {', '.join(names[:_SHOWN])}{more}." if names else "It has no snapshots."


def _snapshot(manifest: Manifest, node: NodeData) -> Snapshot:
    config: Mapping[str, Any] = node.get("config") or {}
    renamed = config.get("snapshot_meta_column_names") or {}
    key = record_key(node, manifest.tests_of(node))
    ignored = meta(node).get("audit_ignore") or []
    return Snapshot(
        unique_id=str(node["unique_id"]),
        database=str(node.get("database")),
        schema=str(node.get("schema")),
        table=str(node.get("alias")),
        relation=str(node.get("relation_name")),
        key=key.columns,
        key_rule=key.rule,
        own={name: str(renamed.get(name) or name) for name in _META_COLUMNS},
        forever=config.get("dbt_valid_to_current"),
        ignored=tuple(map(str, ignored if isinstance(ignored, list) else [ignored])),
        local=config.get("strategy") == "check" and not config.get("updated_at"),
        captured=meta(node).get("audit_capture") not in NO_CAPTURE,
    )
