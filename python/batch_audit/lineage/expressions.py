"""An expression's flows: one loop over an explicit stack, one rule per kind of node."""

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from batch_audit.lineage import functions
from batch_audit.lineage.flows import (
    AGGREGATION,
    CONDITIONAL,
    FILTER,
    IDENTITY,
    TRANSFORMATION,
    WINDOW,
    Flow,
    Flows,
    Gap,
    direct_at_least,
    read,
    under,
)
from batch_audit.lineage.paths import column_of, is_path
from batch_audit.lineage.scope import Scope

Item = tuple[exp.Expr, int, bool]  # a node, the subtype that its surroundings give it, whether they hide it


class Walk:
    """One expression in one scope: what is still to look at, and what was found."""

    __slots__ = ("found", "scope", "stack")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.stack: list[Item] = []
        self.found: set[Flow | Gap] = set()

    def push(self, part: Any, subtype: int, masked: bool) -> None:
        """Look at a node, or at each of a list, later."""
        if isinstance(part, exp.Expr):
            self.stack.append((part, subtype, masked))
        elif isinstance(part, list):
            for item in part:
                self.push(item, subtype, masked)

    def push_args(self, node: exp.Expr, subtype: int, masked: bool, *without: str) -> None:
        """Look at all parts of a node, apart from some."""
        for name, part in node.args.items():
            if part and name not in without:
                self.push(part, subtype, masked)


Rule = Callable[[Walk, exp.Expr, int, bool], None]


def flows_of(node: exp.Expr, scope: Scope, subtype: int = IDENTITY, masked: bool = False) -> Flows:
    """What feeds and what influences this expression."""
    if type(node) is exp.Column and not isinstance(node.this, exp.Star):
        return read(scope.column(node).flows, subtype, masked)
    walk = Walk(scope)
    stack = walk.stack
    stack.append((node, subtype, masked))
    while stack:
        node, subtype, masked = stack.pop()
        kind = type(node)
        rule = RULES.get(kind)
        if rule is None:
            rule = RULES[kind] = _rule_for(kind)
        rule(walk, node, subtype, masked)
    return frozenset(walk.found)


def _column(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    if isinstance(node.this, exp.Star):
        return _star(walk, node, subtype, masked)
    return walk.found.update(read(walk.scope.column(node).flows, subtype, masked))  # type: ignore[arg-type]


def _nothing(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """Literals, types and names have no source."""


def _same(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    walk.push_args(node, subtype, masked, "alias")


def _change(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    walk.push_args(node, direct_at_least(subtype, TRANSFORMATION), masked)


def _path(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    if not is_path(node):
        return _change(walk, node, subtype, masked)
    return walk.found.update(read(column_of(node, walk.scope).flows, subtype, masked))


def _function(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    name = functions.name_of(node)
    if name in functions.RANK_NAMES:
        return
    if name in functions.PROJECTED_ROW_MAKERS:
        walk.scope.row_makers.append(node)
    if name in functions.AGGREGATE_NAMES or name in functions.COUNT_NAMES:
        subtype = direct_at_least(subtype, AGGREGATION)
    hides = masked or name in functions.HASH_NAMES or name in functions.COUNT_NAMES
    walk.push_args(node, direct_at_least(subtype, TRANSFORMATION), hides)


def _mask(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    least = AGGREGATION if isinstance(node, exp.AggFunc) else TRANSFORMATION
    walk.push_args(node, direct_at_least(subtype, least), True)


def _aggregate(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    name = functions.name_of(node)
    hides = masked or name in functions.COUNT_NAMES or name in functions.HASH_NAMES
    walk.push_args(node, direct_at_least(subtype, AGGREGATION), hides)


def _combined_aggregate(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """ClickHouse's sumIf(x, condition): the last argument is a condition."""
    arguments = list(node.expressions)
    if functions.name_of(node).endswith("if") and len(arguments) > 1:
        walk.push(arguments.pop(), under(subtype, CONDITIONAL), masked)
    hides = masked or functions.name_of(node).startswith(("count", "uniq"))
    walk.push(arguments, direct_at_least(subtype, AGGREGATION), hides)


def _count(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    if not isinstance(node.this, exp.Star) and not (
        isinstance(node.this, exp.Column) and isinstance(node.this.this, exp.Star)
    ):
        walk.push_args(node, direct_at_least(subtype, AGGREGATION), True)


def _case(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    args = node.args
    condition = under(subtype, CONDITIONAL)
    walk.push(args.get("this"), condition, masked)
    walk.push(args.get("default"), subtype, masked)
    for branch in args.get("ifs") or ():
        walk.push(branch.args.get("this"), condition, masked)
        walk.push(branch.args.get("true"), subtype, masked)


def _if(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    walk.push(node.args.get("this"), under(subtype, CONDITIONAL), masked)
    walk.push(node.args.get("true"), subtype, masked)
    walk.push(node.args.get("false"), subtype, masked)


def _nullif(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    walk.push(node.args.get("this"), subtype, masked)
    walk.push(node.args.get("expression"), under(subtype, CONDITIONAL), masked)


def _decode(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """DECODE(x, search, result, …, default): a CASE in another shape."""
    operand, *pairs = node.expressions
    condition = under(subtype, CONDITIONAL)
    walk.push(operand, condition, masked)
    while len(pairs) > 1:
        search, result, *pairs = pairs
        walk.push(search, condition, masked)
        walk.push(result, subtype, masked)
    walk.push(pairs, subtype, masked)


def _value_and_condition(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """An aggregate's FILTER, BigQuery's HAVING MAX."""
    walk.push(node.args.get("this"), subtype, masked)
    walk.push(node.args.get("expression"), under(subtype, CONDITIONAL), masked)


def _order(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """ORDER BY inside an aggregate: `this` is the aggregated value."""
    walk.push(node.args.get("this"), subtype, masked)
    walk.push(node.args.get("expressions"), under(subtype, WINDOW), masked)


def _within_group(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    inner = node.this
    walk.push(inner, subtype, masked)
    names = {
        "percentile_cont",
        "percentile_disc",
        "mode",
        "quantile_cont",
        "quantile_disc",
        "approx_percentile",
    }
    order = node.args.get("expression")
    if order is None:
        return
    if isinstance(inner, functions.INVERSE_DISTRIBUTIONS) or functions.name_of(inner) in names:
        walk.push(order.expressions, direct_at_least(subtype, AGGREGATION), masked)
    else:
        walk.push(order.expressions, under(subtype, WINDOW), masked)


def _window(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    args = node.args
    key = under(subtype, WINDOW)
    for name in ("partition_by", "order", "spec"):
        walk.push(args.get(name), key, masked)
    named = args.get("alias")
    if named is not None and (window := walk.scope.windows.get(named.name.lower())) is not None:
        walk.push_args(window, key, masked, "this")
    called: exp.Expr = node.this
    while isinstance(called, (exp.IgnoreNulls, exp.RespectNulls)):
        called = called.args["this"]
    if isinstance(called, functions.PICKS_WITH_OVER):
        walk.push_args(called, direct_at_least(subtype, TRANSFORMATION), masked)
    elif isinstance(called, exp.Anonymous) and functions.name_of(called) not in (
        functions.PICK_NAMES | functions.RANK_NAMES
    ):
        walk.push(called, direct_at_least(subtype, AGGREGATION), masked)
    else:
        walk.push(called, subtype, masked)


def _query(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """A subquery as a value; what its rows depend on becomes the column's, under the same subtype."""
    relation = walk.scope.reader.query(node, walk.scope.env, walk.scope)
    for column in relation.columns():
        walk.found.update(read(column.flows, subtype, masked))
    walk.found.update(read(frozenset(relation.dataset), subtype, masked))


def _exists(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """EXISTS asks for rows, not for their columns. Spark's exists(array, predicate) is a function."""
    inner = node.this
    if not isinstance(inner, exp.Query):
        return _change(walk, node, subtype, masked)
    relation = walk.scope.reader.query(inner, walk.scope.env, walk.scope)
    return walk.found.update(read(frozenset(relation.dataset), under(subtype, FILTER), masked))


def _member(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """The subquery of IN, ANY and ALL: its values are compared, its row conditions filter."""
    query = node.args.get("query") or node.this
    while isinstance(query, exp.Paren):
        query = query.this
    value = direct_at_least(subtype, TRANSFORMATION)
    if not isinstance(query, exp.Query):
        return walk.push_args(node, value, masked)
    relation = walk.scope.reader.query(query, walk.scope.env, walk.scope)
    for column in relation.columns():
        walk.found.update(read(column.flows, value, masked))
    walk.found.update(read(frozenset(relation.dataset), under(subtype, FILTER), masked))
    return walk.push_args(node, value, masked, "query", *(() if node.args.get("query") else ("this",)))


def _array(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """ARRAY(SELECT …) gathers rows."""
    gathers = any(isinstance(part, exp.Query) for part in node.expressions)
    walk.push_args(node, direct_at_least(subtype, AGGREGATION if gathers else TRANSFORMATION), masked)


def _list(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """Some versions of sqlglot take DuckDB's aggregate list(x) for a list of items."""
    least = AGGREGATION if walk.scope.reader.dialect_name == "duckdb" else TRANSFORMATION
    walk.push_args(node, direct_at_least(subtype, least), masked)


def _parameter(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """Snowflake's $1 and DuckDB's #1 are columns by their position; other parameters are values from outside."""
    sources = walk.scope.visible()
    if not (node.this and node.name.isdigit() and sources):
        return
    place = int(node.name) - 1
    columns = [column for source in sources for column in source.relation.columns()]
    if place < len(columns) and not any(column.name == "*" for column in columns[: place + 1]):
        column = columns[place]
    elif len(sources) == 1:
        column = sources[0].relation.imagine(f"${node.name}", node)
    else:
        walk.found.add(Gap(f"column {node.name} of relations that are not known", node))
        return
    walk.found.update(read(column.flows, subtype, masked))


def _comprehension(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """[f(x) for x in list if …]: x is no column."""
    args = node.args
    bound = {
        part.name.lower()
        for name in ("expression", "position")
        if isinstance(part := args.get(name), exp.Expr)
    }
    change = direct_at_least(subtype, TRANSFORMATION)
    walk.push(args.get("iterator"), change, masked)
    for part, context in ((args.get("this"), change), (args.get("condition"), under(subtype, CONDITIONAL))):
        for column in part.find_all(exp.Column) if isinstance(part, exp.Expr) else ():
            if column.parts[0].name.lower() not in bound:
                walk.push(column, context, masked)


def _keyword(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """name => value, name := value, {'name': value}."""
    walk.push(node.args.get("expression"), subtype, masked)


def _lambda(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """The parameters are names; the parser has taken them out of the body's columns."""
    walk.push(node.args.get("this"), direct_at_least(subtype, TRANSFORMATION), masked)


def _star(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """`*` as an argument: every column that it stands for."""
    for column in walk.scope.reader.star(node, walk.scope):
        walk.found.update(read(column.flows, direct_at_least(subtype, TRANSFORMATION), masked))


def _row_maker(walk: Walk, node: exp.Expr, subtype: int, masked: bool) -> None:
    """UNNEST or explode as a value: its argument decides how many rows there are, too."""
    walk.scope.row_makers.append(node)
    walk.push_args(node, direct_at_least(subtype, TRANSFORMATION), masked, "alias", "offset")


def _rule_for(kind: type) -> Rule:
    """The rule of the nearest kind that has one; anything else changes what it is given."""
    for classes, rule in _BY_CLASS:
        if issubclass(kind, classes):
            return rule
    return _change


# The first that fits: picks and hashes go before the aggregates that sqlglot takes them for.
_BY_CLASS: tuple[tuple[Any, Rule], ...] = (
    (exp.Column, _column),
    ((exp.Literal, exp.Identifier, exp.DataType, exp.Var, exp.Null, exp.Boolean, exp.Placeholder), _nothing),
    (exp.JSONPath, _nothing),
    ((exp.Parameter, exp.PositionalColumn), _parameter),
    ((exp.Paren, exp.Alias, exp.Aliases, exp.Distinct, exp.Coalesce, exp.Ordered), _same),
    ((exp.IgnoreNulls, exp.RespectNulls, exp.Tuple, exp.Where, exp.Group, exp.Cube, exp.Rollup), _same),
    ((exp.GroupingSets, exp.Limit, exp.Offset, exp.Having, exp.Qualify), _same),
    ((exp.Dot, exp.Bracket), _path),
    (functions.RANKS, _nothing),
    (functions.PICKS, _change),
    (exp.Count, _count),
    (functions.COUNTS + functions.HASHES, _mask),
    (exp.CombinedAggFunc, _combined_aggregate),
    (exp.AggFunc, _aggregate),
    (exp.Case, _case),
    ((exp.If, exp.Nvl2), _if),
    (exp.Nullif, _nullif),
    (exp.DecodeCase, _decode),
    ((exp.Filter, exp.HavingMax), _value_and_condition),
    (exp.Order, _order),
    (exp.WithinGroup, _within_group),
    (exp.Window, _window),
    (exp.Exists, _exists),
    ((exp.In, exp.Any, exp.All), _member),
    (exp.Array, _array),
    (exp.List, _list),
    (exp.Comprehension, _comprehension),
    ((exp.Kwarg, exp.PropertyEQ), _keyword),
    (exp.Lambda, _lambda),
    ((exp.Star, exp.Columns), _star),
    (functions.ROW_MAKERS, _row_maker),
    (exp.Query, _query),
    (exp.Anonymous, _function),
)
RULES: dict[type, Rule] = {}
