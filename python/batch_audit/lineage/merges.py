"""MERGE: ON is a join, WHEN … AND a filter, and each branch writes columns."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage import ctes, sources
from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import FILTER, JOIN
from batch_audit.lineage.relations import Column, Relation, add_dataset
from batch_audit.lineage.scope import Env, Scope, Source
from batch_audit.lineage.statements import Written, assignments, target_of

if TYPE_CHECKING:
    from batch_audit.lineage.reader import Reader


def merge(reader: "Reader", node: exp.Merge, env: Env) -> Written:
    """The columns that the branches write, in the order in which they are named."""
    scope = Scope(reader, ctes.bind(reader, node, env, None))
    result = Relation([])
    target, _ = target_of(reader, node.this)
    sources.add_source(node.this, scope, result.dataset)
    using = sources.add_source(node.args["using"], scope, result.dataset)
    on = node.args.get("on")
    if on is not None:
        add_dataset(result.dataset, flows_of(on, scope, JOIN), on)
    for name in node.args.get("using_cond") or ():
        flows = frozenset().union(
            *(s.relation.named_or_imagined(name.name, name).flows for s in scope.sources)
        )
        add_dataset(
            result.dataset, frozenset((f[0], f[1], JOIN, f[3]) for f in flows if isinstance(f, tuple)), node
        )
    whens = node.args.get("whens")
    branches = whens.expressions if isinstance(whens, exp.Expr) else node.expressions
    for branch in branches:
        condition = branch.args.get("condition")
        if condition is not None:
            add_dataset(result.dataset, flows_of(condition, scope, FILTER), condition)
        result.outputs += _branch(reader, branch.args.get("then"), target, (scope, using))
    return Written(target, result, assigns=True)


def _branch(
    reader: "Reader", then: object, target: tuple[str, ...], names: tuple[Scope, list[Source]]
) -> list[Column]:
    scope, using = names
    everything = [column for source in using for column in source.relation.columns()]
    if isinstance(then, exp.Update):
        if any(isinstance(part, exp.Star) for part in then.expressions) or not then.expressions:
            return everything
        return assignments(then.expressions, scope)
    if not isinstance(then, exp.Insert):
        return []
    into, values = then.this, then.args.get("expression")
    if isinstance(into, exp.Star) or not values or not values.expressions:
        return everything
    row = values.expressions[0] if isinstance(values, exp.Values) else values
    known = reader.schema.columns(target)
    columns = (
        [part.name for part in into.expressions]
        if isinstance(into, exp.Expr)
        else (known[0] if known else [])
    )
    cells = row.expressions if isinstance(row, exp.Tuple) else [row]
    return [
        Column(columns[place] if place < len(columns) else f"_col_{place}", flows_of(cell, scope), cell)
        for place, cell in enumerate(cells)
    ]
