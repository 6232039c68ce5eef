"""FROM: tables, CTEs, subqueries, functions, and the joins between them."""

from sqlglot import exp

from batch_audit.lineage import pivots, rowsets
from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import JOIN, Flow, Gap, read
from batch_audit.lineage.relations import Column, Relation, add_dataset, ambiguous
from batch_audit.lineage.scope import Scope, Source
from batch_audit.lineage.tree import alias_names, arg, table_parts

Dataset = dict[Flow | Gap, exp.Expr | None]
# Engines where `FROM t, t.items` walks the array of a row.
ARRAY_JOINS = frozenset({"bigquery", "redshift"})


def read_from(node: exp.Expr, scope: Scope, dataset: Dataset) -> None:
    """All sources of a SELECT, in order. A LATERAL VIEW may stand before or after the tables that it reads."""
    from_ = arg(node, "from")
    if from_ is not None:
        add_source(from_.this, scope, dataset)
    joins, laterals = node.args.get("joins") or [], node.args.get("laterals") or []
    if not laterals:
        for join in joins:
            _join(join, scope, dataset)
        return
    before = [(join, len(scope.sources), add_source(join.this, scope, dataset)) for join in joins]
    for lateral in laterals:
        add_source(lateral, scope, dataset)
    for join, place, added in before:
        _condition(join, scope, scope.sources[:place], added, dataset)


def _join(join: exp.Join, scope: Scope, dataset: Dataset) -> None:
    if str(join.args.get("kind") or "").upper() == "ARRAY":
        for array in (join.this, *join.expressions):
            rowsets.array_join(array, scope, dataset)
        return
    left = scope.sources[:]
    _condition(join, scope, left, add_source(join.this, scope, dataset), dataset)


def _condition(
    join: exp.Join, scope: Scope, left: list[Source], right: list[Source], dataset: Dataset
) -> None:
    for name in ("on", "match_condition"):
        clause = join.args.get(name)
        if clause is not None:
            add_dataset(dataset, flows_of(clause, scope, JOIN), clause)
    kind = str(join.args.get("kind") or "").upper()
    one_sided = kind in ("SEMI", "ANTI")
    for name in _shared_names(join, left, right, dataset):
        _share(name, join, scope, (left, right), dataset, one_sided)
    if one_sided:
        hidden = left if str(join.args.get("side") or "").upper() == "RIGHT" else right
        for source in hidden:
            source.visible = False


def _shared_names(join: exp.Join, left: list[Source], right: list[Source], dataset: Dataset) -> list[str]:
    """The columns of USING, or those that both sides of a NATURAL join have."""
    using = [column.name for column in join.args.get("using") or ()]
    if str(join.args.get("method") or "").upper() != "NATURAL":
        return using
    sides = [source for source in left if source.visible] + right
    if any(source.relation.opens for source in sides):
        dataset[Gap("the columns that a NATURAL JOIN compares are not known", join)] = join
    names = [column.name for source in right for column in source.relation.columns() if column.name != "*"]
    return [name for name in names if any(source.visible and source.relation.find(name) for source in left)]


def _share(
    name: str,
    join: exp.Join,
    scope: Scope,
    sides: tuple[list[Source], list[Source]],
    dataset: Dataset,
    one_sided: bool,
) -> None:
    """One column of USING: compared, and read from both sides as one."""
    first = scope.merged.get(name.lower()) or _in(name, sides[0], join)
    second = _in(name, sides[1], join)
    both = first.flows | second.flows
    add_dataset(dataset, read(both, JOIN), join)
    if not one_sided:
        scope.merged[name.lower()] = Column(first.name, both, None, None, first.paths and second.paths)


def _in(name: str, sources: list[Source], node: exp.Expr) -> Column:
    """The column of this name in one side of a join."""
    visible = [source.relation for source in sources if source.visible]
    known = [relation for relation in visible if relation.find(name)]
    candidates = known or [relation for relation in visible if relation.may_have(name)] or visible
    if len(candidates) == 1:
        return candidates[0].named_or_imagined(name, node)
    return ambiguous(name, candidates, node)


def add_source(node: exp.Expr, scope: Scope, dataset: Dataset) -> list[Source]:
    """Add one item of FROM, with the joins inside it; returns what was added."""
    start = len(scope.sources)
    if isinstance(node, exp.Final):  # ClickHouse's newest rows of a table
        node = node.this
    if isinstance(node, exp.Paren) or (isinstance(node, exp.Subquery) and _only_tables(node)):
        _parenthesised(node, scope, dataset)
    else:
        _add(_relation(node, scope, dataset), node, scope, dataset)
    for join in (
        node.args.get("joins") or () if not isinstance(node, exp.Query) or _holds_source(node) else ()
    ):
        _join(join, scope, dataset)
    for lateral in node.args.get("laterals") or () if isinstance(node, exp.Table) else ():
        add_source(lateral, scope, dataset)
    return scope.sources[start:]


def _holds_source(node: exp.Expr) -> bool:
    return isinstance(node, exp.Subquery)


def _only_tables(node: exp.Subquery) -> bool:
    """`(a JOIN b ON …)`: parentheses around sources, not around a query."""
    inner = node.this
    while isinstance(inner, exp.Subquery) and not inner.args.get("joins"):
        inner = inner.this
    return isinstance(inner, (exp.Table, exp.Subquery))


def _parenthesised(node: exp.Expr, scope: Scope, dataset: Dataset) -> None:
    """The sources keep their own names, unless the parentheses have one."""
    name, columns = alias_names(node)
    if not name and not node.args.get("pivots"):
        add_source(node.this, scope, dataset)
        return
    inner = Scope(scope.reader, scope.env, scope.parent)
    relation = Relation([])
    add_source(node.this, inner, relation.dataset)
    relation.outputs = scope.reader.star(exp.Star(), inner)
    _add(relation.renamed(columns, name), node, scope, dataset)


def _add(relation: Relation, node: exp.Expr, scope: Scope, dataset: Dataset) -> None:
    for pivot in node.args.get("pivots") or ():
        relation = pivots.apply(relation, pivot, scope)
    for flow, clause in relation.dataset.items():
        dataset.setdefault(flow, clause)
    alias = alias_names(node)[0]
    pivoted = [name for pivot in node.args.get("pivots") or () if (name := alias_names(pivot)[0])]
    real: tuple[str, ...] = ()
    if isinstance(node, exp.Table) and isinstance(node.this, (exp.Identifier, exp.Dot)):
        real = tuple(part.lower() for part in table_parts(node, scope.reader.dialect_name))
    name = pivoted[-1] if pivoted else alias
    scope.sources.append(Source((name.lower(),) if name else real or ("",), relation, real))


def _relation(node: exp.Expr, scope: Scope, dataset: Dataset) -> Relation:
    alias, columns = alias_names(node)
    if isinstance(node, exp.Table):
        return _table(node, scope, dataset)
    if isinstance(node, exp.Values):
        return rowsets.values(node, scope)
    if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Query):
        relation = scope.reader.query(node.this, scope.env, scope)
        return relation.renamed(columns, alias)
    if isinstance(node, (exp.Query, exp.Pivot)):
        return scope.reader.query(_without_alias(node), scope.env, scope.parent).renamed(columns, alias)
    return rowsets.function(node, scope, dataset)


def _without_alias(node: exp.Expr) -> exp.Expr:
    """A subquery's own joins, as in `(SELECT …) JOIN t`, belong to the FROM around it."""
    return node.this if isinstance(node, exp.Subquery) and node.args.get("joins") else node


def _table(node: exp.Table, scope: Scope, dataset: Dataset) -> Relation:
    alias, columns = alias_names(node)
    if node.args.get("rows_from") or isinstance(node.this, exp.Func):
        return rowsets.function(node, scope, dataset)
    reader = scope.reader
    parts = table_parts(node, reader.dialect_name)
    known = scope.env.get(".".join(parts).lower())
    if known is not None:
        return known.renamed(columns, alias or parts[-1])
    if len(parts) > 1 and reader.dialect_name in ARRAY_JOINS:
        owner = next((source for source in scope.sources if source.called((parts[0].lower(),))), None)
        if owner is not None and reader.schema.columns(parts) is None:
            return rowsets.array_of(owner.relation, parts[1:], node, dataset)
    base = reader.base(parts)
    return base.renamed(columns, alias) if columns else base
