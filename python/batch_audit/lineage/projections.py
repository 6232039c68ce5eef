"""The select list: names, stars, and aliases that later items may use."""

from sqlglot import exp

from batch_audit.lineage import stars
from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import Gap
from batch_audit.lineage.functions import name_of
from batch_audit.lineage.paths import column_of, is_path
from batch_audit.lineage.relations import Column
from batch_audit.lineage.scope import Scope

_SAME_IN_POSTGRES = frozenset(
    [
        "max",
        "min",
        "sum",
        "avg",
        "count",
        "coalesce",
        "case",
        "lower",
        "upper",
        "rank",
        "lag",
        "lead",
        "greatest",
        "least",
        "nullif",
    ]
)


def projections(node: exp.Select, scope: Scope) -> list[Column]:
    """The output columns in order; each alias becomes visible to what comes after it."""
    items = node.expressions
    if len(items) == 1 and isinstance(items[0], exp.Star) and not any(items[0].args.values()):
        shared = stars.sole_outputs(scope)
        if shared is not None:
            return shared
    outputs: list[Column] = []
    for item in items:
        for column in _outputs(item, scope):
            outputs.append(column)
            if column.name and column.name != "*" and not stars.is_star(item):
                scope.aliases.setdefault(column.name.lower(), column)
    return outputs


def _outputs(item: exp.Expr, scope: Scope) -> list[Column]:
    if stars.is_star(item):
        return stars.expand(item, scope)
    if isinstance(item, exp.Explode) and scope.reader.dialect_name == "duckdb":
        fields = stars.fields_of(column_of(item.this, scope), scope)
        if fields:  # unnest of a struct gives its fields
            return fields
    if isinstance(item, exp.Aliases):
        flows = flows_of(item.this, scope)
        return [Column(name.name, flows, item.this) for name in item.expressions]
    inner = item.this if isinstance(item, exp.Alias) else item
    name = item.alias if isinstance(item, exp.Alias) else _own_name(item, scope)
    column = _projection(inner, name, scope)
    if scope.columns_function is not None:
        return _each_of_columns(inner, scope)
    return [column]


def _projection(inner: exp.Expr, name: str, scope: Scope) -> Column:
    if isinstance(inner, exp.Column):
        column = scope.column(inner)
        return Column(name, column.flows, column.node or inner, column.fields, column.paths)
    if isinstance(inner, (exp.Struct, exp.Paren)) or is_path(inner):
        column = column_of(inner, scope)
        return Column(name, column.flows, inner, column.fields, column.paths)
    if isinstance(inner, exp.Subquery):
        return _scalar(inner, name, scope)
    return Column(name, flows_of(inner, scope), inner)


def _scalar(inner: exp.Subquery, name: str, scope: Scope) -> Column:
    """A scalar subquery; BigQuery's SELECT AS STRUCT keeps its fields."""
    relation = scope.reader.query(inner, scope.env, scope)
    columns = list(relation.columns())
    flows = frozenset(relation.dataset).union(*(column.flows for column in columns))
    fields = columns[0].fields if len(columns) == 1 and not relation.dataset else None
    return Column(name, flows, inner, fields)


def _own_name(item: exp.Expr, scope: Scope) -> str:
    """The name that an output has without an alias, '' when engines differ on it.

    PostgreSQL calls it like the function, which is sure only where sqlglot does not translate the function's name.
    """
    if isinstance(item, exp.Literal):
        return ""
    if item.output_name or scope.reader.dialect_name not in ("postgres", "redshift"):
        return item.output_name
    while isinstance(item, (exp.Window, exp.Filter, exp.WithinGroup)):
        item = item.args["this"]
    name = name_of(item)
    return name if isinstance(item, exp.Anonymous) or name in _SAME_IN_POSTGRES else ""


def _each_of_columns(inner: exp.Expr, scope: Scope) -> list[Column]:
    """`max(COLUMNS(…))` is one output per column, each under the column's name."""
    function, scope.columns_function = scope.columns_function, None
    outputs = []
    for column in stars.expand(function, scope) if function is not None else ():
        scope.chosen = column
        outputs.append(Column(column.name, flows_of(inner, scope), inner))
        if column.name == "*":
            outputs[-1].flows |= {Gap("COLUMNS(…) over columns that are not known", inner)}
    scope.chosen = scope.columns_function = None
    return outputs
