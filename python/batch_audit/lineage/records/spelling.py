"""Shorter ways to write a query, written out."""

from collections.abc import Mapping

from sqlglot import exp

from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.nodes import aggregates, output_names, sources


def unique_names(query: exp.Select) -> None:
    """Give every output column a name of its own, as DuckDB does: `id`, `id_1`."""
    taken = {column.alias_or_name for column in query.expressions}
    seen: set[str] = set()
    for column in list(query.expressions):
        name = column.alias_or_name
        if name in seen or not name:
            count = 1
            while f"{name}_{count}" in taken:
                count += 1
            name = f"{name}_{count}"
            taken.add(name)
            column.replace(exp.alias_(column.unalias(), name, quoted=True))
        seen.add(name)


def group_by_all(select: exp.Select) -> None:
    """GROUP BY ALL: by every output column that holds no aggregate."""
    group = select.args.get("group")
    if group is not None and group.args.get("all"):
        keys = [column.unalias().copy() for column in select.expressions if not aggregates(column)]
        select.set("group", exp.Group(expressions=keys) if keys else None)
        if not keys:
            select.meta["grouped"] = True


def joined_subset(select: exp.Select) -> None:
    """SEMI JOIN and ANTI JOIN as EXISTS and NOT EXISTS."""
    joins = select.args.get("joins") or []
    kept: list[exp.Expr] = []
    for place, join in enumerate(joins):
        kind = str(join.args.get("kind") or "").upper()
        side = str(join.args.get("side") or "").upper()
        if kind not in ("SEMI", "ANTI"):
            kept.append(join)
            continue
        if (
            any(str(later.args.get("side") or "").upper() in ("RIGHT", "FULL") for later in joins[place:])
            or side == "RIGHT"
        ):
            raise Untraceable(f"a {kind} JOIN before an outer join is not traced")
        inner = exp.Select(expressions=[exp.Literal.number(1)]).from_(join.this.copy())
        if join.args.get("on"):
            inner = inner.where(join.args["on"].copy())
        test: exp.Expr = exp.Exists(this=inner)
        select.where(exp.Not(this=test) if kind == "ANTI" else test, copy=False)
    select.set("joins", kept or None)


def nearest(select: exp.Select, columns: Mapping[str, Mapping[str, str]]) -> None:
    """ASOF JOIN as the one row, by order, that meets the condition: of its inequality, the nearest."""
    for join in select.args.get("joins") or []:
        if str(join.args.get("method") or "").upper() != "ASOF":
            continue
        source = join.this
        name = source.alias_or_name
        parts = list(join.args["on"].flatten()) if isinstance(join.args["on"], exp.And) else [join.args["on"]]
        if join.meta.pop(BY_NAMES, None):
            parts[-1] = exp.GTE(this=parts[-1].this, expression=parts[-1].expression)
        tests = [part for part in parts if isinstance(part.unnest(), tuple(_TURNED))]
        if len(tests) != 1 or source.name not in columns:
            raise Untraceable("an ASOF JOIN without a single inequality is not traced")
        test = tests[0].unnest()
        sides = {found.table for found in test.this.find_all(exp.Column)}
        kind, own = (_TURNED[type(test)], test.this) if sides == {name} else (type(test), test.expression)
        down = kind in (exp.GT, exp.GTE)
        inner = exp.Select(
            expressions=[
                exp.alias_(exp.column(one, name, quoted=True), one, quoted=True)
                for one in columns[source.name]
            ],
            from_=exp.From(this=source.copy()),
            where=exp.Where(this=exp.and_(*(part.copy() for part in parts))),
            order=exp.Order(expressions=[exp.Ordered(this=own.copy(), desc=down, nulls_first=False)]),
            limit=exp.Limit(expression=exp.Literal.number(1)),
        )
        alias = exp.TableAlias(this=source.args["alias"].this.copy())
        lateral = exp.Lateral(this=exp.Subquery(this=inner), alias=alias)
        outer = join.side == "LEFT"
        made = (
            exp.Join(this=lateral, side="LEFT", on=exp.true())
            if outer
            else exp.Join(this=lateral, kind="CROSS")
        )
        join.replace(made)


BY_NAMES = "asof_using"
_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE,
}  # fmt: skip


def note_asof(query: exp.Expr) -> None:
    """Note the ASOF joins with USING, before it is written out as equalities: the last column is no equality."""
    for join in query.find_all(exp.Join):
        if str(join.args.get("method") or "").upper() == "ASOF" and join.args.get("using"):
            join.meta[BY_NAMES] = True


def by_name(left: exp.Expr, right: exp.Expr) -> tuple[exp.Select, exp.Select]:
    """The sides of a set operation BY NAME, with the same columns in the same order."""
    names = output_names(left)
    names += [name for name in output_names(right) if name not in names]
    return _padded(left, names), _padded(right, names)


def _padded(side: exp.Expr, names: list[str]) -> exp.Select:
    own = set(output_names(side))
    columns = [
        exp.alias_(exp.column(name, "__side", quoted=True) if name in own else exp.Null(), name, quoted=True)
        for name in names
    ]
    inner = exp.Subquery(this=side, alias=exp.TableAlias(this=exp.to_identifier("__side")))
    return exp.Select(expressions=columns).from_(inner)


def merge_leftovers(query: exp.Expr, columns: Mapping[str, Mapping[str, str]]) -> None:
    """Write out names that USING joined where the resolver leaves them: inside windows and aggregates."""
    for column in list(query.find_all(exp.Column)):
        around = column.find_ancestor(exp.Window, exp.AggFunc, exp.Order, exp.Distinct, exp.Select)
        select = column.find_ancestor(exp.Select)
        if column.table or select is None or isinstance(around, (exp.Order, exp.Distinct)):
            continue
        found: list[exp.Expr] = [
            exp.column(column.name, source.alias_or_name)
            for source in sources(select)
            if isinstance(source, exp.Table) and column.name in columns.get(source.name, ())
        ]
        if found:
            column.replace(
                found[0] if len(found) == 1 else exp.Coalesce(this=found[0], expressions=found[1:])
            )
