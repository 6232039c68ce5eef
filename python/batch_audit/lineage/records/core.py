"""FROM, JOIN and WHERE of a SELECT in both forms, with the subqueries that are traced joined to each row."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records import opening
from batch_audit.lineage.records.items import item
from batch_audit.lineage.records.nodes import sources
from batch_audit.lineage.records.rows import Carried, Prov, again, alias, derived, select, typed_null
from batch_audit.lineage.records.subqueries import Asked

if TYPE_CHECKING:
    from batch_audit.lineage.records.rewriter import Rewriter


@dataclass
class Core:
    """`plain` is the whole SELECT over plain sources; `traced` has FROM, JOIN and WHERE only, over traced ones."""

    plain: exp.Select
    traced: exp.Select
    ids: list[exp.Expr]
    id_types: list[str]
    prov: Carried
    multiplied: bool
    fine: bool


def core_of(rewriter: "Rewriter", query: exp.Select, tests: list[Asked]) -> Core:
    """Read FROM, and join the traced subqueries that are asked for every row."""
    items = [item(rewriter, source) for source in sources(query)]
    plain = _over(query, [one.plain for one in items])
    traced = _over(query, [one.traced for one in items])
    for name in set(traced.args) - {"from_", "joins", "laterals", "where"}:
        traced.set(name, None)
    prov: Carried = [one for each in items for one in each.prov]
    fine = all(one.fine for one in items)
    multiplied = any(one.multiplied for one in items)
    if tests and traced.args.get("joins"):
        traced.set("joins", [_spelled(join) for join in traced.args["joins"]])
    if tests and not traced.args.get("from_"):
        one = select([alias(exp.Literal.number(1), "__one")], None)
        traced.set("from_", exp.From(this=derived(one, "__one")))
    for test in tests:
        prov += _decided(rewriter, traced, test)
        multiplied = True
    ids = [one for each in items for one in each.ids]
    return Core(
        plain, traced, ids, [kind for each in items for kind in each.id_types], prov, multiplied, fine
    )


def _decided(rewriter: "Rewriter", traced: exp.Select, test: Asked) -> Carried:
    """The keys of the rows that decide a test: the join replaces one that WHERE demands; what it forbids has none."""
    where = traced.args.get("where")
    parts = list(where.this.flatten()) if where and isinstance(where.this, exp.And) else []
    parts = parts or ([where.this] if where else [])
    for part in parts if test.kind in ("exists", "in", "any") else ():
        found = part.unnest()
        if found is test.node:
            others = [one for one in parts if one is not part]
            traced.set("where", exp.Where(this=exp.and_(*others, copy=False)) if others else None)
            return opening.open_beside(rewriter, traced, test, needed=True)
        if isinstance(found, exp.Not) and found.this.unnest() is test.node:
            return [
                (one.mark, [typed_null(kind, rewriter.dialect) for kind in one.types], one.types)
                for one in rewriter.rows(test.query).prov
            ]
    return opening.open_beside(rewriter, traced, test)


def _spelled(join: exp.Join) -> exp.Join:
    """A comma as CROSS JOIN: what is joined after a comma does not see what stands before it."""
    bare = not any(join.args.get(name) for name in ("kind", "side", "on", "using", "method"))
    return exp.Join(**(join.args | {"kind": "CROSS"})) if bare else join


def _over(query: exp.Select, nodes: list[exp.Expr]) -> exp.Select:
    """The SELECT over these sources."""
    placed = iter(nodes)
    changed: dict[str, object] = {}
    if query.args.get("from_"):
        changed["from_"] = exp.From(this=next(placed))
    if query.args.get("joins"):
        changed["joins"] = [exp.Join(**(join.args | {"this": next(placed)})) for join in query.args["joins"]]
    if query.args.get("laterals"):
        changed["laterals"] = list(placed)
    return again(query, **changed)


def named_ids(ids: list[exp.Expr], query: exp.Select) -> tuple[list[str], list[exp.Expr]]:
    """A name for each part of the identity, and the projections to add: an output column that is it serves as well."""
    shown = {_text(one.unalias()): one.alias_or_name for one in reversed(query.expressions)}
    names: list[str] = []
    extra: list[exp.Expr] = []
    for one in ids:
        name = shown.get(_text(one))
        if name is None:
            name = f"__i{len(names)}"
            extra.append(alias(one.copy(), name))
        names.append(name)
    return names, extra


def _text(value: exp.Expr) -> str:
    """The same for a column, with quotes or without."""
    return f"{value.table}.{value.name}" if isinstance(value, exp.Column) else value.sql()


def named_prov(prov: Carried) -> tuple[list[Prov], list[exp.Expr]]:
    """Columns for the keys, and the projections that fill them."""
    found: list[Prov] = []
    columns: list[exp.Expr] = []
    for place, (mark, keys, types) in enumerate(prov):
        names = [f"__p{place}_{number}" for number in range(len(keys))]
        found.append(Prov(mark, names, types))
        columns += [alias(key.copy(), name) for key, name in zip(keys, names, strict=True)]
    return found, columns
