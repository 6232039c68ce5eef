"""Subqueries where a value or a condition stands: EXISTS, IN, ANY, ALL, and scalar ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from batch_audit.lineage.records.nodes import QUERIES, aggregates, clauses, free_tables, within
from batch_audit.lineage.records.rows import column


@dataclass(frozen=True)
class Asked:
    """A subquery and what is asked of it; `positive`: the row stays only by what it has, never by what it lacks."""

    kind: str
    node: exp.Expr
    query: exp.Query
    positive: bool

    @property
    def scope(self) -> str:
        """`query` when its rows are the same for every row that is tested."""
        one_answer = self.kind in ("exists", "scalar", "all")
        return "query" if one_answer and not free_tables(self.query) else "row"

    def match(self, source: str, names: list[str]) -> exp.Expr | None:
        """The condition under which a row of the subquery, read as `source`, decides the test; None: always."""
        if self.kind == "in":
            left = self.node.this
            lefts = left.expressions if isinstance(left, exp.Tuple) else [left]
            met: exp.Expr = exp.and_(
                *(
                    exp.EQ(this=exp.paren(a.copy()), expression=column(n, source))
                    for a, n in zip(lefts, names, strict=False)
                )
            )
        elif self.kind == "any":
            met = self.node.copy()
            met.set("expression", column(names[0], source))
        else:
            return None
        return met if self.positive else exp.Coalesce(this=exp.paren(met), expressions=[exp.true()])


def asked_in(expression: exp.Expr, projected: bool = False) -> Iterator[Asked]:
    """The subqueries of an expression, not those inside them, in the order of the text."""
    for node in within(expression):
        found = read_asked(node)
        if found is not None:
            kind, query = found
            yield Asked(kind, node, query, not projected and _positive(node, expression))


def read_asked(node: exp.Expr) -> tuple[str, exp.Query] | None:
    """The kind and the subquery of a node that asks one; None for any other."""
    if isinstance(node, exp.Exists) and isinstance(node.this, (*QUERIES, exp.Subquery)):
        return "exists", _bare(node.this)
    if isinstance(node, exp.In) and node.args.get("query"):
        return "in", _bare(node.args["query"])
    if isinstance(node, exp.Binary) and isinstance(node.expression, (exp.Any, exp.All)):
        inner = node.expression.this
        if isinstance(inner, (*QUERIES, exp.Subquery)):
            return ("any" if isinstance(node.expression, exp.Any) else "all"), _bare(inner)
    if isinstance(node, QUERIES) and isinstance(node.parent, exp.Array):
        return "scalar", node
    if isinstance(node, exp.Subquery) and not (
        isinstance(node.parent, (exp.From, exp.Join, exp.Exists, exp.Any, exp.All, exp.Lateral))
        or (isinstance(node.parent, exp.In) and node.arg_key == "query")
    ):
        return "scalar", _bare(node)
    return None


def _bare(node: exp.Expr) -> exp.Query:
    while isinstance(node, (exp.Subquery, exp.Paren)):
        node = node.this
    return cast(exp.Query, node)


def _positive(node: exp.Expr, top: exp.Expr) -> bool:
    while node is not top:
        node = cast(exp.Expr, node.parent)
        if not isinstance(node, (exp.And, exp.Or, exp.Paren, exp.Where, exp.Having, exp.Qualify)):
            return node is top and isinstance(node, exp.Alias)
    return True


def asked_of(select: exp.Select) -> Iterator[tuple[str, Asked]]:
    """The subqueries of a SELECT, with the clause that each stands in."""
    for clause, expression in clauses(select):
        for test in asked_in(expression, projected=clause == "select"):
            yield clause, test


def before_grouping(clause: str, test: Asked, select: exp.Select) -> bool:
    """Whether, in a grouped SELECT, a subquery is asked for every row rather than for every group."""
    if clause in ("where", "on", "group"):
        return True
    keys = select.args.get("group")
    texts = {key.sql() for key in keys.expressions} if keys else set()
    node: exp.Expr | None = test.node
    inside = {id(found) for expression in select.expressions for found in aggregates(expression)}
    while node is not None and not isinstance(node, exp.Select):
        if id(node) in inside or isinstance(node, exp.Filter) or node.sql() in texts:
            return True
        node = node.parent
    return False
