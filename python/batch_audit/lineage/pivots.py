"""PIVOT and UNPIVOT, as clauses and as DuckDB's statements."""

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import CONDITIONAL, FILTER, GROUP_BY, NOTHING, Flow, Flows, Gap, read
from batch_audit.lineage.relations import AnyName, Column, Open, Relation, add_dataset
from batch_audit.lineage.scope import Env, Scope, Source
from batch_audit.lineage.tree import alias_names, arg

if TYPE_CHECKING:
    from batch_audit.lineage.reader import Reader


def apply_all(found: list[exp.Expr] | None, relation: Relation, scope: Scope) -> Relation:
    """The relation after each of its pivots."""
    for pivot in found or ():
        relation = apply(relation, pivot, scope)
    return relation


def statement(reader: "Reader", node: exp.Pivot, env: Env, parent: Scope | None) -> Relation:
    """DuckDB's `PIVOT t ON …` and `UNPIVOT t ON …`."""
    from batch_audit.lineage import ctes, sources

    scope = Scope(reader, ctes.bind(reader, node, env, parent), parent)
    inner = Relation([])
    sources.add_source(node.this, scope, inner.dataset)
    inner.outputs = reader.star(exp.Star(), scope)
    return apply(inner, node, scope)


def apply(relation: Relation, pivot: exp.Expr, scope: Scope) -> Relation:
    """One PIVOT or UNPIVOT over a relation."""
    own = Scope(scope.reader, scope.env, scope.parent)
    own.sources.append(Source(("",), relation))
    result = _unpivot(relation, pivot, own) if pivot.args.get("unpivot") else _pivot(relation, pivot, own)
    alias, names = alias_names(pivot)
    return result.renamed(names, alias or relation.label)


def _fields(pivot: exp.Expr) -> list[Any]:
    """The `FOR column IN (…)` parts; DuckDB's ON expressions, which may have an IN or none."""
    if pivot.args.get("using") or not pivot.args.get("fields"):
        return list(pivot.expressions) if not pivot.args.get("fields") else list(pivot.args["fields"])
    return list(pivot.args["fields"])


def _pivot(relation: Relation, pivot: exp.Expr, scope: Scope) -> Relation:
    statement = not pivot.args.get("fields")
    aggregates = list(pivot.args.get("using") or ()) if statement else list(pivot.expressions)
    fields = _fields(pivot)
    condition: Flows = frozenset().union(
        *(
            flows_of(field.this if isinstance(field, exp.In) else field, scope, CONDITIONAL)
            for field in fields
        )
    )
    used = {column.name.lower() for part in (*aggregates, *fields) for column in part.find_all(exp.Column)}
    dataset: dict[Flow | Gap, exp.Expr | None] = dict(relation.dataset)
    outputs = _kept(relation, pivot, used, scope, dataset)
    made = [flows_of(_value(part), scope) | condition for part in aggregates] or [condition]
    names = _pivoted_names(pivot, aggregates)
    for place, name in enumerate(names):
        outputs.append(Column(name, made[place % len(made)], pivot))
    if not names:
        outputs.append(_dynamic(frozenset().union(*made), pivot))
    return Relation(outputs, dataset, relation.label)


def _value(part: exp.Expr) -> exp.Expr:
    return part.this if isinstance(part, exp.Alias) else part


def _kept(
    relation: Relation,
    pivot: exp.Expr,
    used: set[str],
    scope: Scope,
    dataset: dict[Flow | Gap, exp.Expr | None],
) -> list[Column]:
    """The columns that stay, by which the rows are grouped: DuckDB's GROUP BY, or all that are not used."""
    group = pivot.args.get("group")
    if group is not None:
        kept = [Column(key.alias_or_name, flows_of(key, scope), key) for key in group.expressions]
    else:
        kept = []
        for column in relation.columns():
            if isinstance(column, Open):
                kept.append(Open(column.relation, column.flows, pivot, column.hidden | used, column.renamed))
            elif column.name.lower() not in used:
                kept.append(column)
    for column in kept:
        add_dataset(dataset, read(column.flows, GROUP_BY), pivot)
    return kept


def _pivoted_names(pivot: exp.Expr, aggregates: list[exp.Expr]) -> list[str]:
    """The parser names the columns of literal values; DuckDB's statement has them in its ON … IN."""
    given = [name.name for name in pivot.args.get("columns") or ()]
    if given:
        return given
    listed = [field for field in pivot.expressions if isinstance(field, exp.In)]
    if pivot.args.get("fields") or len(listed) != 1 or len(pivot.expressions) != 1:
        return []
    values = [value.alias_or_name for value in listed[0].expressions]
    if len(aggregates) < 2:
        suffix = f"_{aggregates[0].alias}" if aggregates and aggregates[0].alias else ""
        return [value + suffix for value in values]
    return [f"{value}_{part.alias or part.sql('duckdb').lower()}" for value in values for part in aggregates]


def _dynamic(flows: Flows, pivot: exp.Expr) -> Column:
    """Columns that the data name."""
    gap = Gap("the names of the pivoted columns depend on the data", pivot)
    return Open(AnyName(flows | {gap}, "pivot", pivot), flows | {gap}, pivot)


def _unpivot(relation: Relation, pivot: exp.Expr, scope: Scope) -> Relation:
    dataset: dict[Flow | Gap, exp.Expr | None] = dict(relation.dataset)
    name_columns, value_columns, groups = _unpivot_parts(pivot)
    inputs: list[Flows] = [NOTHING] * len(value_columns)
    used: set[str] = set()
    for group in groups:
        for place, column in enumerate(group):
            flows: Flows = frozenset().union(*(found.flows for found in _columns(column, scope)))
            used |= {found.name.lower() for found in _columns(column, scope)}
            add_dataset(dataset, read(flows, FILTER), pivot)
            inputs[place % len(inputs)] |= flows
    outputs: list[Column] = []
    for rest in relation.columns():
        if isinstance(rest, Open):
            outputs.append(Open(rest.relation, rest.flows, pivot, rest.hidden | used, rest.renamed))
        elif rest.name.lower() not in used:
            outputs.append(rest)
    outputs += [Column(name, NOTHING, pivot) for name in name_columns]
    outputs += [Column(name, flows, pivot) for name, flows in zip(value_columns, inputs, strict=True)]
    return Relation(outputs, dataset, relation.label)


def _columns(node: exp.Expr, scope: Scope) -> list[Column]:
    """The input columns that an UNPIVOT names, also by COLUMNS(…) or a star."""
    from batch_audit.lineage import stars

    inner = node.this if isinstance(node, (exp.Alias, exp.PivotAlias)) else node
    if stars.is_star(inner):
        found = stars.expand(inner, scope)
        scope.columns_function = None
        return found
    if isinstance(inner, exp.Column):
        return [scope.column(inner).named(inner.name)]
    if isinstance(inner, exp.Identifier):
        return [scope.bare(inner.name, inner).named(inner.name)]
    return [Column("", flows_of(inner, scope), inner)]


def _unpivot_parts(pivot: exp.Expr) -> tuple[list[str], list[str], list[list[exp.Expr]]]:
    """Name columns, value columns, and per unpivoted group the inputs for each value column."""
    into = arg(pivot, "into")
    if not pivot.args.get("fields"):
        names = [into.this.name] if into is not None else ["name"]
        values = [part.name for part in into.expressions] if into is not None else ["value"]
        return names, values, [_group(part) for part in pivot.expressions]
    names, groups = [], []
    for field in pivot.args["fields"]:
        names.append(field.this.name)
        groups += [_group(part) for part in field.expressions]
    values = [
        name.name
        for part in pivot.expressions
        for name in (part.expressions if isinstance(part, exp.Tuple) else [part])
    ]
    return names, values, groups


def _group(part: exp.Expr) -> list[exp.Expr]:
    inner = part.this if isinstance(part, (exp.Alias, exp.PivotAlias)) else part
    return list(inner.expressions) if isinstance(inner, exp.Tuple) else [inner]
