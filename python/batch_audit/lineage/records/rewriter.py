"""The knot of the rewriting: which reads are traced now, and which rule a part of the query follows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from sqlglot import exp

from batch_audit.lineage.records import recursion, selects, setops
from batch_audit.lineage.records.catalog import Known
from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.rows import Rows


@dataclass
class Rewriter:
    """Rewrites a prepared query so that the rows of the `active` reads are traced, or the frames of one window."""

    reads: Mapping[str, tuple[exp.Table, Known]]
    dialect: str
    active: frozenset[str]
    window: str = ""
    _count: int = field(default=0)

    def rows(self, query: exp.Expr) -> Rows:
        """Both forms of a query."""
        if recursion.is_recursive(query):
            return recursion.rewrite(self, cast(exp.Select, query))
        if isinstance(query, exp.Select):
            return selects.rewrite(self, query)
        if isinstance(query, exp.SetOperation):
            return setops.rewrite(self, query)
        raise Untraceable(f"{query.key.upper()} is not a query whose records are traced")

    def traces(self, node: exp.Expr) -> bool:
        """Whether something below is traced."""
        return any(table.meta.get("read") in self.active for table in node.find_all(exp.Table))

    def name(self, stem: str) -> str:
        """A name that this rewriting has not used yet."""
        self._count += 1
        return f"__{stem}{self._count}"

    def marks(self, nodes: Iterable[exp.Expr]) -> list[str]:
        """The traced reads below, in the order of the text."""
        found = [table.meta.get("read") for node in nodes for table in node.find_all(exp.Table)]
        return [mark for mark in dict.fromkeys(found) if mark in self.active]
