"""A query as a relation: what its parts do, in the order in which they see each other's names."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage import clauses, ctes, pivots, setops, sources
from batch_audit.lineage.flows import TRANSFORMATION, Gap
from batch_audit.lineage.projections import projections
from batch_audit.lineage.relations import AnyName, Column, Relation
from batch_audit.lineage.scope import Env, Scope, Source

if TYPE_CHECKING:
    from batch_audit.lineage.reader import Reader


def relation(reader: "Reader", node: exp.Expr, env: Env, parent: Scope | None) -> Relation:
    """The relation that a query gives; anything that is none gives a gap."""
    if isinstance(node, exp.Select):
        return _select(reader, node, env, parent)
    if isinstance(node, exp.SetOperation):
        return _with_order(reader, node, setops.combine(reader, node, env, parent), env, parent)
    if isinstance(node, exp.Subquery):
        return _subquery(reader, node, env, parent)
    if isinstance(node, exp.Paren):
        return relation(reader, node.this, env, parent)
    if isinstance(node, exp.Pivot):
        return pivots.statement(reader, node, env, parent)
    scope = Scope(reader, ctes.bind(reader, node, env, parent), parent)
    if isinstance(node, (exp.Table, exp.Values, exp.Unnest, exp.Lateral)):
        found = Relation([])
        sources.add_source(node, scope, found.dataset)
        found.outputs = reader.star(exp.Star(), scope)
        return found
    gap = Gap(f"{node.key.upper()} is not a query whose columns can be read", node)
    return AnyName(frozenset([gap]), node.key, node)


def _select(reader: "Reader", node: exp.Select, env: Env, parent: Scope | None) -> Relation:
    scope = Scope(reader, ctes.bind(reader, node, env, parent), parent)
    result = Relation([])
    sources.read_from(node, scope, result.dataset)
    for window in node.args.get("windows") or ():
        scope.windows[window.name.lower()] = window
    outputs = projections(node, scope)
    clauses.read_clauses(node, scope, outputs, result.dataset)
    if str(node.args.get("kind") or "").upper() == "STRUCT":
        outputs = [_as_struct(outputs)]
    result.outputs = outputs
    return pivots.apply_all(node.args.get("pivots"), result, scope)


def _as_struct(outputs: list[Column]) -> Column:
    """BigQuery's SELECT AS STRUCT: one column, whose fields are the outputs."""
    whole = [column.read(TRANSFORMATION) for column in outputs]
    flows = frozenset().union(*(column.flows for column in whole)) if whole else frozenset()
    return Column("", flows, None, {column.name.lower(): column for column in outputs if column.name})


def _subquery(reader: "Reader", node: exp.Subquery, env: Env, parent: Scope | None) -> Relation:
    """A query in parentheses, which may have a WITH, joins, an ORDER BY and a LIMIT of its own."""
    inner_env = ctes.bind(reader, node, env, parent)
    if isinstance(node.this, exp.Table) or node.args.get("joins"):
        scope = Scope(reader, inner_env, parent)
        found = Relation([])
        sources.add_source(node, scope, found.dataset)
        found.outputs = reader.star(exp.Star(), scope)
        return found
    inner = relation(reader, node.this, inner_env, parent)
    return _with_order(reader, node, inner, inner_env, parent)


def _with_order(
    reader: "Reader", node: exp.Expr, inner: Relation, env: Env, parent: Scope | None
) -> Relation:
    """ORDER BY and LIMIT after a set operation or a closing parenthesis: they see the output's names only."""
    if not (node.args.get("order") or node.args.get("limit") or node.args.get("offset")):
        return inner
    scope = Scope(reader, env, parent)
    scope.sources.append(Source(("",), inner))
    result = Relation(inner.outputs, dict(inner.dataset))
    clauses.order_and_limit(node, scope, list(inner.columns()), result.dataset)
    return result
