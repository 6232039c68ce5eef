"""Questions to the syntax tree of a prepared query."""

from collections.abc import Callable, Iterator

from sqlglot import exp

from batch_audit.lineage.functions import AGGREGATE_NAMES, PICKS, is_row_maker, name_of

RANKING = frozenset(["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"])
_MORE = (
    "arg_max_null arg_max_nulls_last arg_min_null arg_min_nulls_last covar_pop covar_samp count_star "
    "histogram_exact lttb regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy "
    "sum_no_overflow decimal_average combine_aggr variant_group_object"
)
_MORE_AGGREGATES = frozenset(_MORE.split())
_UNSTEADY = (
    "random rand uuid gen_random_uuid uuidv4 uuidv7 uuid_generate_v4 nextval currval setseed setval clock_timestamp "
    "timeofday txid_current newid randn uniform current_query_id"
)
VOLATILE = frozenset(_UNSTEADY.split())
QUERIES = (exp.Select, exp.SetOperation)


def walk(node: exp.Expr, into: Callable[[exp.Expr], bool]) -> Iterator[exp.Expr]:
    """The node and what is below it, in the order of the text, not below those that `into` refuses."""
    yield node
    if into(node):
        for child in node.iter_expressions():
            yield from walk(child, into)


def within(node: exp.Expr) -> Iterator[exp.Expr]:
    """The node and what is below it in the same SELECT: a query inside is given, but not entered."""
    return walk(node, lambda found: found is node or not isinstance(found, QUERIES))


def is_aggregate(node: exp.Expr) -> bool:
    """Whether this is a call of an aggregate (with or without OVER)."""
    if isinstance(node, (exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)):
        return False
    if isinstance(node, (exp.Grouping, exp.GroupingId)) or name_of(node) in ("grouping", "grouping_id"):
        return True
    if node.meta.get("own_aggregate"):
        return True
    if isinstance(node, exp.AggFunc):
        return not isinstance(node, PICKS) and name_of(node) not in RANKING
    if isinstance(node, (exp.AnonymousAggFunc, exp.CombinedAggFunc)):
        return True
    return isinstance(node, exp.Anonymous) and name_of(node) in AGGREGATE_NAMES | _MORE_AGGREGATES


def windowed(node: exp.Expr) -> exp.Expr | None:
    """The function that a window applies to, without FILTER and the like."""
    while isinstance(node, (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)):
        node = node.this
    return node


def aggregates(node: exp.Expr) -> list[exp.Expr]:
    """The aggregates that make a SELECT a grouped one: not those with OVER."""
    over = {id(windowed(found)) for found in within(node) if isinstance(found, exp.Window)}
    return [found for found in within(node) if is_aggregate(found) and id(found) not in over]


def windows(select: exp.Select) -> list[exp.Window]:
    """The window functions of a SELECT itself."""
    parts = [*select.expressions, select.args.get("qualify"), select.args.get("order")]
    distinct = select.args.get("distinct")
    parts.append(distinct.args.get("on") if distinct else None)
    found: list[exp.Window] = []
    for part in parts:
        if part is not None:
            found += [node for node in within(part) if isinstance(node, exp.Window)]
    return found


def makes_rows(select: exp.Select) -> bool:
    """Whether an output is an UNNEST, which repeats its row for every element."""
    return any(is_row_maker(node) for projection in select.expressions for node in within(projection))


def is_grouped(select: exp.Select) -> bool:
    """Whether a SELECT makes one row of several: GROUP BY, HAVING or an aggregate."""
    if select.args.get("group") or select.args.get("having"):
        return True
    parts = [*select.expressions, select.args.get("order"), select.args.get("qualify")]
    return any(part is not None and aggregates(part) for part in parts)


def clauses(select: exp.Select) -> Iterator[tuple[str, exp.Expr]]:
    """The parts of a SELECT that hold expressions, with their names, in the order of the text."""
    for expression in select.expressions:
        yield "select", expression
    for join in select.args.get("joins") or ():
        if join.args.get("on"):
            yield "on", join.args["on"]
    for name in ("where", "group", "having", "qualify", "order", "limit", "offset"):
        if select.args.get(name):
            yield name, select.args[name]
    for window in select.args.get("windows") or ():
        yield "window", window
    distinct = select.args.get("distinct")
    if distinct and distinct.args.get("on"):
        yield "distinct", distinct.args["on"]


def sources(select: exp.Select) -> Iterator[exp.Expr]:
    """What FROM and JOIN read, in order."""
    if select.args.get("from_"):
        yield select.args["from_"].this
    for join in select.args.get("joins") or ():
        yield join.this
    yield from select.args.get("laterals") or ()


def free_tables(node: exp.Expr) -> set[str]:
    """The qualifiers that this query takes from around it: it is correlated when there are any."""
    own: set[str] = set()
    used: set[str] = set()
    if isinstance(node, exp.Select):
        own = {source.alias_or_name for source in sources(node)}
    for child in node.iter_expressions():
        for found in walk(child, lambda deeper: not isinstance(deeper, QUERIES)):
            if isinstance(found, exp.Column) and found.table:
                used.add(found.table)
            elif isinstance(found, QUERIES):
                used |= free_tables(found)
    return used - own


def output_names(query: exp.Expr) -> list[str]:
    """The names of a prepared query's columns."""
    while not isinstance(query, exp.Select):
        query = query.this
    return [column.alias_or_name for column in query.expressions]
