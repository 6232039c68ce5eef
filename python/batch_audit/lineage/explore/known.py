"""What is known of a project's columns, and where that is from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from batch_audit.history.moments import utc
from batch_audit.lineage.project import NodeLineage, Project
from batch_audit.reports.text import counted

OriginKind = Literal["store", "manifest", "sql"]
KINDS = ("model", "seed", "snapshot", "source", "exposure")


@dataclass(frozen=True)
class Origin:
    """Where lineage is from. `moment` is when it was recorded or made, in microseconds UTC.

    `notes` are what a reader has to know of it, one sentence each.
    """

    kind: OriginKind
    place: str
    moment: int | None = None
    batch_id: str | None = None
    notes: tuple[str, ...] = ()

    def sentence(self, now: datetime | None = None) -> str:
        """One line for people; with `now`, also how old a manifest is."""
        when = "" if self.moment is None else f", {utc(self.moment)}"
        if self.kind == "store":
            return f"from the audit store {self.place}, as of batch {self.batch_id}{when}"
        if self.kind == "manifest":
            old = f" ({age(self.moment, now)} old)" if now and self.moment is not None else ""
            return f"from dbt's manifest {self.place}{when}{old}"
        return f"from {self.place}"

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "kind": self.kind, "place": self.place, "batch_id": self.batch_id,
            "at": None if self.moment is None else utc(self.moment), "notes": list(self.notes),
        }  # fmt: skip


def age(moment: int, now: datetime) -> str:
    """How long before `now` a time in microseconds UTC was: `5 minutes`, `3 days`."""
    seconds = int(now.timestamp() - moment / 1e6)
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return counted(seconds // size, unit)
    return "less than a minute"


@dataclass(frozen=True)
class Dataset:
    """What has columns, and exposures: by unique_id, or by the name of a relation that is none of the project's."""

    unique_id: str
    kind: str
    relation: str = ""
    inputs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that people use: `mart`, `raw.people`, `mart.v2`; `?` for a relation that nobody could tell."""
        if not self.unique_id:
            return "?"
        return ".".join(self.unique_id.split(".")[2:]) if self.kind in KINDS else self.unique_id


@dataclass(frozen=True)
class Known:
    """Lineage by unique_id, what it is about, and where it is from.

    `namespace` is that of the datasets in OpenLineage, where the warehouse was asked.
    """

    lineages: Mapping[str, NodeLineage]
    datasets: Mapping[str, Dataset]
    origin: Origin
    names: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None

    def label(self, unique_id: str) -> str:
        """The shortest name of a dataset that no other one has."""
        return self.names.get(unique_id, unique_id)

    def has(self, unique_id: str) -> bool:
        """Whether anything is known of a dataset: lineage of its own, or an edge from or to it."""
        return unique_id in self.lineages or any(
            unique_id in (edge.source, edge.target) for one in self.lineages.values() for edge in one.edges
        )

    def columns(self, unique_id: str) -> tuple[tuple[str, ...], str]:
        """The columns of a dataset, and where they are from."""
        found = self.lineages.get(unique_id)
        return (found.columns, found.columns_from) if found else ((), "unknown")


def known(lineages: Mapping[str, NodeLineage], datasets: Mapping[str, Dataset], origin: Origin) -> Known:
    """What is known, with a dataset for both ends of every edge, and a name for each."""
    ends = {end for one in lineages.values() for edge in one.edges for end in (edge.source, edge.target)}
    every = dict(datasets)
    for name in sorted(ends | set(lineages)):
        every.setdefault(name, Dataset(name, kind_of(name)))
    return Known(lineages, every, origin, labels(every.values()))


def kind_of(unique_id: str) -> str:
    """The kind that a unique_id begins with; `relation` for other names."""
    parts = unique_id.split(".")
    return parts[0] if len(parts) > 2 and parts[0] in KINDS else "relation"


def datasets_of(project: Project) -> dict[str, Dataset]:
    """The datasets of a project."""
    return {
        name: Dataset(name, node.kind, "" if node.ephemeral else node.relation, node.inputs)
        for name, node in project.nodes.items()
    }


def labels(datasets: Iterable[Dataset]) -> dict[str, str]:
    """unique_id to the name for people, or to itself where two datasets would have the same."""
    by_name: dict[str, list[str]] = {}
    for dataset in datasets:
        by_name.setdefault(dataset.name.lower(), []).append(dataset.unique_id)
        by_name.setdefault(dataset.unique_id.lower(), []).append(dataset.unique_id)
    return {
        dataset.unique_id: dataset.name
        if len(set(by_name[dataset.name.lower()])) == 1 and dataset.name
        else dataset.unique_id
        for dataset in datasets
    }
