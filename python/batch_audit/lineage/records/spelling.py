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
