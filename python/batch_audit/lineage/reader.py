"""The knot of the walk: reads one statement's queries against a schema, and hands out what the parts share."""

from collections.abc import Sequence

from sqlglot import exp

from batch_audit.lineage import queries, stars
from batch_audit.lineage.relations import Base, Column, Relation
from batch_audit.lineage.schema import Schema
from batch_audit.lineage.scope import Env, Scope


class Reader:
    """Everything of one call that does not change from query to query. Tables are shared: one object per name."""

    def __init__(self, schema: Schema, dialect_name: str) -> None:
        self.schema, self.dialect_name = schema, dialect_name
        self._bases: dict[tuple[str, ...], Base] = {}

    def base(self, parts: Sequence[str]) -> Base:
        """The table of this name; the first spelling in a statement is the one that edges use."""
        key = tuple(part.lower() for part in parts)
        if key not in self._bases:
            self._bases[key] = self.schema.base(parts)
        return self._bases[key]

    def declare(self, parts: Sequence[str], columns: Sequence[str]) -> None:
        """A table that the script itself creates, empty."""
        self.schema.declare(parts, columns)
        self._bases.pop(tuple(part.lower() for part in parts), None)

    def query(self, node: exp.Expr, env: Env, parent: Scope | None) -> Relation:
        """The relation that a query gives."""
        return queries.relation(self, node, env, parent)

    def star(self, node: exp.Expr, scope: Scope) -> list[Column]:
        """The columns that a `*` stands for."""
        return stars.expand(node, scope)
