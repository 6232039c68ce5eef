"""Reads lineage from dbt's artifacts: the manifest, compiled files and the catalog. No warehouse is asked."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.history.moments import parse_time
from batch_audit.lineage.explore.known import Known, Origin, datasets_of, known
from batch_audit.lineage.project import Cache, NodeLineage, Pool, Project, read_lineage, read_project
from batch_audit.lineage.project.manifest import Node
from batch_audit.runner.secrets import hide_known, secret_values

Columns = Mapping[str, Sequence[str]]
_PROCESSES = 4


@dataclass(frozen=True)
class Artifacts:
    """A folder of dbt's artifacts: the project that its manifest describes, and the columns of its catalog.


    `headers` are the columns of seeds in their files, by relation. `made` is when dbt wrote the manifest (microseconds
    UTC). `in_step`: manifest and catalog are of one invocation. `stale`: models changed after they were compiled.
    """

    folder: Path
    manifest: Mapping[str, Any]
    project: Project
    made: int | None
    catalog: Columns
    headers: Columns
    in_step: bool
    stale: tuple[str, ...] = ()

    @property
    def invocation_id(self) -> str | None:
        """The dbt call that wrote the manifest."""
        found = (self.manifest.get("metadata") or {}).get("invocation_id")
        return None if found is None else str(found)

    @property
    def place(self) -> str:
        """The manifest's path as people know it."""
        return str(self.folder / "manifest.json")


def read_artifacts(folder: Path, project_dir: Path | None = None) -> Artifacts:
    """Read manifest.json and, if it is there, catalog.json. Raises ConfigurationError without a manifest.

    `project_dir`: where the sources of the compiled files lie, to tell which are older than their source.
    """
    manifest = _json(folder / "manifest.json", required=True)
    catalog = _json(folder / "catalog.json", required=False)
    project = read_project(manifest, folder / "compiled")
    stale = () if project_dir is None else _stale(manifest, project, folder / "compiled", project_dir)
    told, listed = manifest.get("metadata") or {}, catalog.get("metadata") or {}
    return Artifacts(
        folder, manifest, project, parse_time(str(told.get("generated_at"))), catalog_columns(catalog),
        {} if project_dir is None else _headers(manifest, project, project_dir),
        bool(listed) and listed.get("invocation_id") == told.get("invocation_id"), stale,
    )  # fmt: skip


def _json(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
    except FileNotFoundError as error:
        if not required:
            return {}
        raise ConfigurationError(
            f"There is no {path}.\n  Run `dbt compile` in the project first, or name the folder of dbt's artifacts."
        ) from error
    except (OSError, ValueError) as error:
        if not required:
            return {}
        raise ConfigurationError(
            f"{path} cannot be read: {error}.\n  `dbt compile` writes it anew."
        ) from error
    return content


def catalog_columns(catalog: Mapping[str, Any]) -> dict[str, list[str]]:
    """The columns of a catalog.json in their order, by database.schema.name in lower case."""
    found = {}
    for part in ("nodes", "sources"):
        for item in (catalog.get(part) or {}).values():
            told = item.get("metadata") or {}
            name = ".".join(
                str(told[key]) for key in ("database", "schema", "name") if told.get(key) is not None
            )
            columns = sorted((item.get("columns") or {}).values(), key=lambda one: one.get("index") or 0)
            found[name.lower()] = [str(column.get("name")) for column in columns]
    return found


def _headers(manifest: Mapping[str, Any], project: Project, project_dir: Path) -> dict[str, list[str]]:
    """The first lines of the seeds' files, as far as they can be read."""
    found = {}
    for name, node in project.nodes.items():
        item = (manifest.get("nodes") or {}).get(name) or {}
        if node.kind != "seed" or not item.get("original_file_path"):
            continue
        path, config = project_dir / str(item["original_file_path"]), item.get("config") or {}
        with suppress(OSError, ValueError, csv.Error, StopIteration, TypeError):
            with path.open(encoding="utf-8-sig", newline="") as file:
                line = next(csv.reader(file, delimiter=config.get("delimiter") or ","))
            found[node.relation.lower()] = [column for column in line if column]
    return found


def _stale(
    manifest: Mapping[str, Any], project: Project, compiled: Path, project_dir: Path
) -> tuple[str, ...]:
    """Models whose code is that of a compiled file from before its source was last changed."""
    found = []
    for name, item in (manifest.get("nodes") or {}).items():
        node = project.nodes.get(name)
        path = item.get("original_file_path") if isinstance(item, Mapping) else None
        if node is None or node.file is None or not path or item.get("compiled_code"):
            continue
        try:
            if _changed_at(project_dir / str(path)) > _changed_at(compiled / node.file):
                found.append(name)
        except OSError:
            continue
    return tuple(found)


def _changed_at(path: Path) -> float:
    return path.stat().st_mtime


def outside_columns(artifacts: Artifacts, seen: Columns) -> dict[str, Sequence[str]]:
    """The columns that count whatever the code says: all of a catalog that belongs to the manifest.

    Of an older one, and of what the last run saw (`seen`), those of relations that no SQL of the project makes.
    """
    made = {node.relation.lower() for node in artifacts.project.nodes.values() if made_by_sql(node)}
    both = dict(artifacts.headers) | dict(seen) | dict(artifacts.catalog)
    return {
        name: columns
        for name, columns in both.items()
        if name not in made or (artifacts.in_step and name in artifacts.catalog)
    }


def made_by_sql(node: Node) -> bool:
    """Whether SQL that is known gives the node its columns."""
    return node.kind == "model" and node.language == "sql" and bool(node.code)


def lineages_of(
    project: Project, columns: Columns, cache: Cache, only: Collection[str] | None = None
) -> dict[str, NodeLineage]:
    """Read the lineage of the nodes (None: all), with the answers of earlier runs where nothing has changed.

    Secrets that `env_var` put into compiled code are hidden.
    """
    with Pool(min(_PROCESSES, os.cpu_count() or 1)) as pool:
        found = read_lineage(project, columns, pool, cache, only)
    secrets = secret_values(os.environ)
    return {name: lineage.hidden(lambda text: hide_known(text, secrets)) for name, lineage in found.items()}


def read_known(artifacts: Artifacts, around: Collection[str], notes: Sequence[str] = ()) -> Known:
    """What the manifest tells of everything above and below some nodes."""
    only = related(artifacts.project, around)
    cache = Cache(artifacts.folder)
    lineages = lineages_of(artifacts.project, outside_columns(artifacts, cache.columns()), cache, only)
    origin = Origin("manifest", artifacts.place, artifacts.made, notes=(*notes, *_notes(artifacts, only)))
    return known(lineages, datasets_of(artifacts.project), origin)


def related(project: Project, around: Collection[str]) -> set[str]:
    """These nodes, what is below them, and what is above any of these: its columns matter. Hooks may write anywhere."""
    readers: dict[str, set[str]] = {}
    for name, node in project.nodes.items():
        for read in node.inputs:
            readers.setdefault(read, set()).add(name)
    hooked = {name for name, node in project.nodes.items() if node.hooks}
    below = _closure(set(around) | hooked, readers)
    inputs = {name: set(node.inputs) for name, node in project.nodes.items()}
    return {name for name in _closure(below, inputs) if name in project.nodes}


def _closure(start: set[str], more: Mapping[str, set[str]]) -> set[str]:
    found, waiting = set(start), list(start)
    while waiting:
        for name in more.get(waiting.pop(), set()) - found:
            found.add(name)
            waiting.append(name)
    return found


def _notes(artifacts: Artifacts, only: Collection[str]) -> list[str]:
    stale = [name for name in artifacts.stale if name in only]
    if not stale:
        return []
    listed = ", ".join(stale[:3]) + (", …" if len(stale) > 3 else "")
    return [f"the compiled code of {listed} is older than its file; `dbt compile` brings it up to date"]


def with_notes(given: Known, *notes: str) -> Known:
    """The same with more to say about where it is from."""
    return replace(given, origin=replace(given.origin, notes=(*given.origin.notes, *notes)))
