"""What column lineage answers: edges that are known, and gaps that are admitted.

Kinds and subtypes follow OpenLineage's column lineage facet 1-2-0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlglot import exp

DIRECT, INDIRECT = "DIRECT", "INDIRECT"
SUBTYPES = (
    "IDENTITY",
    "TRANSFORMATION",
    "AGGREGATION",
    "CONDITIONAL",
    "WINDOW",
    "JOIN",
    "FILTER",
    "GROUP_BY",
    "SORT",
)


class SqlText:
    """The text of a piece of SQL, written when somebody reads it: writing every one would double the work."""

    __slots__ = ("_dialect", "_node", "_text")

    def __init__(self, node: exp.Expr | None, dialect: Any, text: str = "") -> None:
        self._node, self._dialect, self._text = node, dialect, text

    def __str__(self) -> str:
        if self._node is not None:
            self._text, self._node = _written(self._node, self._dialect), None
        return self._text

    def __reduce__(self) -> tuple[type["SqlText"], tuple[None, None, str]]:
        return SqlText, (None, None, str(self))


def _written(node: exp.Expr, dialect: Any) -> str:
    try:
        return node.sql(dialect=dialect, comments=False)
    except Exception as error:  # a text for people must not cost an answer
        return f"({type(node).__name__}, not written: {type(error).__name__})"


@dataclass(frozen=True, slots=True)
class Edge:
    """A target column depends on a source column; `target_column` None: every column of the target does.

    An empty `source` is a relation that the statement alone cannot tell. `source_column` is the dotted path
    of a struct's field, and `*` where the columns are not known. `masking`: the value itself does not get through.
    """

    source: str
    source_column: str
    target: str
    target_column: str | None
    kind: str
    subtype: str
    masking: bool
    text: SqlText = field(compare=False, repr=False)

    @property
    def expression(self) -> str:
        """The SQL that makes the target column, or the clause that every column depends on."""
        return str(self.text)


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be told, why, and the SQL that it is about; `target_column` None: all columns."""

    target_column: str | None
    reason: str
    text: SqlText = field(compare=False, repr=False)
    target: str = ""

    @property
    def sql(self) -> str:
        """The piece of SQL that could not be resolved."""
        return str(self.text)


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """Edges and gaps, in the order of the target's columns. `columns`: target to its columns, `*` where unknown."""

    edges: tuple[Edge, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __reduce__(self) -> tuple[type["ColumnLineage"], tuple[Any, ...]]:
        return ColumnLineage, (self.edges, self.unknown, dict(self.columns))


def read_only(columns: dict[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """The same mapping, which nobody can change."""
    return MappingProxyType(columns)
