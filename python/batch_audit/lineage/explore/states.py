"""Reads two states of a project so that they can be compared: what is known of one is asked of the other, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from batch_audit.lineage.explore.changes import State, changes_between, compare_code
from batch_audit.lineage.explore.from_manifest import Artifacts, Columns, lineages_of, made_by_sql
from batch_audit.lineage.explore.known import Origin, datasets_of, known
from batch_audit.lineage.explore.touched import Impact, impact_of
from batch_audit.lineage.project import Cache
from batch_audit.reports.text import counted


def compare(before: Artifacts, after: Artifacts) -> Impact:
    """The impact of what differs. Answers are kept beside the present artifacts; the earlier folder stays as it is."""
    cache = Cache(after.folder)
    columns = paired_columns(before, after, cache.columns())
    old, new = (
        _state(one, columns_of, cache) for one, columns_of in zip((before, after), columns, strict=True)
    )
    both = set(before.project.nodes) & set(after.project.nodes)
    code = compare_code(before.project, after.project, both)
    return impact_of(old, new, changes_between(old, new, code))


def paired_columns(before: Artifacts, after: Artifacts, seen: Columns) -> tuple[Columns, Columns]:
    """The columns of relations that no SQL of the project makes, on both sides, by relation.

    Where one state knows them, they count for the other, too: else every `*` over them would look changed. Columns of
    models are those of the catalogs only if both are of the manifests' own invocations.
    """
    found: tuple[dict[str, Sequence[str]], dict[str, Sequence[str]]] = ({}, {})
    sides = before, after
    for name in dict.fromkeys([*before.project.nodes, *after.project.nodes]):
        nodes = [side.project.nodes.get(name) for side in sides]
        if any(node is not None and made_by_sql(node) for node in nodes) and not (
            before.in_step and after.in_step
        ):
            continue
        relations = [node.relation.lower() if node else "" for node in nodes]
        own = [side.catalog.get(relation) for side, relation in zip(sides, relations, strict=True)]
        own[1] = after.headers.get(relations[1]) or own[1] or seen.get(relations[1])
        for place, relation in enumerate(relations):
            columns = own[place] or own[1 - place]
            if relation and columns:
                found[place][relation] = columns
    return found


def _state(artifacts: Artifacts, columns: Columns, cache: Cache) -> State:
    lineages = lineages_of(artifacts.project, columns, cache)
    origin = Origin("manifest", artifacts.place, artifacts.made, notes=tuple(_notes(artifacts)))
    raw = artifacts.manifest.get("nodes") or {}
    return State(
        artifacts.project,
        known(lineages, datasets_of(artifacts.project), origin),
        {name: _checksum(item) for name, item in raw.items()},
        {name: _owner(item) for name, item in (artifacts.manifest.get("exposures") or {}).items()},
    )


def _notes(artifacts: Artifacts) -> Iterator[str]:
    nodes = artifacts.project.nodes.values()
    bare = [n for n in nodes if n.kind in ("model", "snapshot") and n.language == "sql" and not n.code]
    if bare:
        yield f"{counted(len(bare), 'node')} have no compiled code here; `dbt compile` gives it to all"


def _checksum(item: Mapping[str, Any]) -> str:
    return str((item.get("checksum") or {}).get("checksum"))


def _owner(exposure: Mapping[str, Any]) -> str:
    """The owner's name and address, as far as they are given."""
    owner = exposure.get("owner") or {}
    email = owner.get("email")
    address = ", ".join(email) if isinstance(email, list) else email
    return " ".join(filter(None, [owner.get("name"), f"<{address}>" if address else None])) or "no owner"
