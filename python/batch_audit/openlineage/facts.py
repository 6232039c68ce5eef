"""What is known of one batch, as plain values: events are made of these alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from batch_audit.openlineage.column_lineage import ColumnEdge, Dataset


@dataclass(frozen=True)
class Field:
    """A column of a dataset; the type is the warehouse's own name of it."""

    name: str
    type: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Relation:
    """A dataset, and what is known of it as of the batch."""

    dataset: Dataset
    fields: tuple[Field, ...] = ()
    description: str | None = None
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Test:
    """What a test found; `kind` is its generic name (`not_null`), `custom_sql` or `unit_test`."""

    __test__ = False

    name: str
    kind: str | None = None
    column: str | None = None
    severity: str | None = None
    failures: int | None = None
    tested: Relation | None = None


@dataclass(frozen=True)
class Written:
    """What a node's run wrote: rows, the rows that the relation had then, and changed records where it was captured."""

    rows: int | None = None
    rows_after: int | None = None
    changes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """A relation that a node writes (its own, and those that its hooks write), and the column edges into it."""

    relation: Relation
    edges: tuple[ColumnEdge, ...] = ()
    written: Written = Written()


@dataclass(frozen=True)
class NodeRun:
    """One execution of a node or test. Times are UTC; `path` is its file in the repository.

    `sources` names the relations that edges come from.
    """

    event_id: str
    unique_id: str
    resource_type: str
    status: str
    began: datetime
    ended: datetime
    message: str | None = None
    dbt_version: str | None = None
    sql: str | None = None
    path: str | None = None
    description: str | None = None
    inputs: tuple[Relation, ...] = ()
    outputs: tuple[Output, ...] = ()
    sources: Mapping[str, Dataset] = field(default_factory=dict)
    test: Test | None = None


@dataclass(frozen=True)
class Repository:
    """Where the code of the batch lies; `commit` is None where the files were not those of a commit."""

    url: str
    commit: str | None = None
    branch: str | None = None


@dataclass(frozen=True)
class BatchRun:
    """One batch. `ended` is None while it runs; `parent` is the run that started it."""

    batch_id: str
    status: str
    began: datetime
    ended: datetime | None = None
    project: str | None = None
    job: str | None = None
    message: str | None = None
    dbt_version: str | None = None
    dialect: str | None = None
    repository: Repository | None = None
    parent: Mapping[str, Any] | None = None
    nodes: tuple[NodeRun, ...] = ()
