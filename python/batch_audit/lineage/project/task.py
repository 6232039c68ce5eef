"""One piece of SQL to read, and what was read in it: plain values that pass between processes and into the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LONGEST_TEXT = 2_000
"""Characters of an expression that are kept: a sum over thousands of branches says no more than its beginning."""


@dataclass(frozen=True)
class Task:
    """SQL in a dialect that fills `target`, and the columns of the relations that it may read."""

    sql: str
    dialect: str | None
    target: str
    schema: Mapping[str, Sequence[str]]

    def key(self, *versions: str) -> str:
        """SHA-256 of everything that the answer depends on."""
        text = json.dumps([asdict(self), versions], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TextEdge:
    """An edge as `batch_audit.lineage.Edge` has it, in plain text, with the names that the SQL uses."""

    source: str
    source_column: str
    target: str
    target_column: str | None
    kind: str
    subtype: str
    masking: bool
    expression: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Edges, what is unknown as (target column, reason, SQL), and the columns that the SQL gives its target."""

    edges: tuple[TextEdge, ...] = ()
    unknown: tuple[tuple[str | None, str, str], ...] = ()
    columns: tuple[str, ...] = ()

    def as_json(self) -> str:
        """The answer as one line."""
        edges = [
            [e.source, e.source_column, e.target, e.target_column, e.kind, e.subtype, e.masking, e.expression]
            for e in self.edges
        ]
        return json.dumps([edges, self.unknown, self.columns], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """The inverse of `as_json`. Raises ValueError or TypeError for anything else."""
        edges, unknown, columns = json.loads(text)
        return cls(
            tuple(TextEdge(*edge) for edge in edges),
            tuple((column, reason, sql) for column, reason, sql in unknown),
            tuple(columns),
        )


def read(task: Task) -> Answer:
    """Read the SQL here and now. For use in a process of its own: deep SQL can end it (see worker.py)."""
    from batch_audit.lineage import column_lineage
    from batch_audit.lineage.project.ephemeral import without_ephemerals

    sql = without_ephemerals(task.sql, task.dialect)
    found: Any = column_lineage(sql, dialect=task.dialect, schema=dict(task.schema), target=task.target)
    edges = tuple(
        TextEdge(
            e.source, e.source_column, e.target, e.target_column, e.kind, e.subtype, e.masking, shortened(e.expression)
        )
        for e in found.edges
    )  # fmt: skip
    unknown = tuple((u.target_column, u.reason, shortened(u.sql)) for u in found.unknown)
    columns = next(
        (names for target, names in found.columns.items() if target.lower() == task.target.lower()), ()
    )
    return Answer(edges, unknown, tuple(columns))


def shortened(text: str) -> str:
    """The text, or its beginning and a mark where it is too long to be read."""
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
