"""What decides which rows there are: WHERE, GROUP BY, HAVING, QUALIFY, DISTINCT, ORDER BY, LIMIT."""

from collections.abc import Iterator

from sqlglot import exp

from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import FILTER, GROUP_BY, JOIN, SORT, Flow, Gap, read
from batch_audit.lineage.relations import Column, add_dataset
from batch_audit.lineage.scope import AliasRule, Scope

Dataset = dict[Flow | Gap, exp.Expr | None]


def read_clauses(node: exp.Select, scope: Scope, outputs: list[Column], dataset: Dataset) -> None:
    """All clauses but FROM and the select list itself."""
    scope.rule = AliasRule.AFTER
    for maker in scope.row_makers:
        for part in [*maker.expressions, maker.args.get("this")]:
            if isinstance(part, exp.Expr):
                add_dataset(dataset, flows_of(part, scope, JOIN), maker)
    scope.row_makers = []
    for name in ("prewhere", "where", "having", "qualify", "connect"):
        clause = node.args.get(name)
        if clause is not None:
            for part in clause.args.values():
                if isinstance(part, exp.Expr):
                    add_dataset(dataset, flows_of(part, scope, FILTER), clause)
    _group(node, scope, outputs, dataset)
    _distinct(node, scope, outputs, dataset)
    order_and_limit(node, scope, outputs, dataset)
    if node.args.get("match") is not None:
        dataset[Gap("MATCH_RECOGNIZE is not read", node.args["match"])] = node.args["match"]


def order_and_limit(node: exp.Expr, scope: Scope, outputs: list[Column], dataset: Dataset) -> None:
    """ORDER BY sees aliases before columns; a LIMIT may be a subquery."""
    scope.rule = AliasRule.FIRST
    if not scope.aliases:
        scope.aliases = {column.name.lower(): column for column in outputs if column.name not in ("", "*")}
    for name in ("order", "sort", "cluster"):
        clause = node.args.get(name)
        for ordered in clause.expressions if clause is not None else ():
            key = ordered.this if isinstance(ordered, exp.Ordered) else ordered
            _key(key, scope, outputs, dataset, SORT, clause)
    for name in ("limit", "offset"):
        clause = node.args.get(name)
        if clause is not None:
            add_dataset(dataset, flows_of(clause, scope, FILTER), clause)


def _key(
    key: exp.Expr,
    scope: Scope,
    outputs: list[Column],
    dataset: Dataset,
    subtype: int,
    clause: exp.Expr | None,
) -> None:
    """A key of GROUP BY or ORDER BY: an output's position, ALL, or an expression."""
    if isinstance(key, exp.Literal) and not key.is_string and key.name.isdigit():
        position = int(key.name) - 1
        if any(column.name == "*" for column in outputs[: position + 1]):
            columns, gap = outputs, Gap(f"column {key.name} lies in a * whose columns are not known", clause)
            dataset[gap] = clause
        else:
            columns = outputs[position : position + 1]
    elif (
        subtype == SORT
        and isinstance(key, exp.Column)
        and key.name.lower() == "all"
        and "all" not in scope.aliases
    ):
        columns = outputs
    else:
        add_dataset(dataset, flows_of(key, scope, subtype), clause)
        return
    for column in columns:
        add_dataset(dataset, read(column.flows, subtype), clause)


def _group(node: exp.Select, scope: Scope, outputs: list[Column], dataset: Dataset) -> None:
    group = node.args.get("group")
    if group is None:
        return
    if group.args.get("all"):
        for column in outputs:
            if column.node is None or column.node.find(exp.AggFunc) is None:
                add_dataset(dataset, read(column.flows, GROUP_BY), group)
    for key in _group_keys(group):
        _key(key, scope, outputs, dataset, GROUP_BY, group)


def _group_keys(node: exp.Expr) -> Iterator[exp.Expr]:
    """The keys, out of CUBE, ROLLUP, GROUPING SETS and parentheses."""
    stack = [part for part in node.args.values() if isinstance(part, list)]
    while stack:
        for part in stack.pop():
            if isinstance(part, (exp.Cube, exp.Rollup, exp.GroupingSets, exp.Tuple)):
                stack.append(part.expressions)
            elif isinstance(part, exp.Paren):
                stack.append([part.this])
            elif isinstance(part, exp.Expr):
                yield part


def _distinct(node: exp.Select, scope: Scope, outputs: list[Column], dataset: Dataset) -> None:
    distinct = node.args.get("distinct")
    if not isinstance(distinct, exp.Distinct):
        return
    keys = distinct.args.get("on")
    if keys is not None:
        for key in keys.expressions if isinstance(keys, exp.Tuple) else [keys]:
            _key(key, scope, outputs, dataset, GROUP_BY, distinct)
        return
    for column in outputs:
        add_dataset(dataset, read(column.flows, GROUP_BY), distinct)
