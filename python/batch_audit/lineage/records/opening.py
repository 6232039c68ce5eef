"""A subquery joined to the row that asks it, for the keys of the rows that answer.

Conditions on the row that asks move into the join: engines run that as a plain join, where a LATERAL would be run for
every row (PostgreSQL), or be taken apart again (DuckDB).
"""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records.nodes import free_tables, is_grouped, sources, walk, windows
from batch_audit.lineage.records.rows import Carried, Rows, alias, beside, column, derived, select
from batch_audit.lineage.records.subqueries import Asked

if TYPE_CHECKING:
    from batch_audit.lineage.records.rewriter import Rewriter

_WHOLE = ("group", "having", "limit", "offset", "fetch", "qualify")


def open_beside(rewriter: "Rewriter", query: exp.Select, asked: Asked, needed: bool = False) -> Carried:
    """Join the rows that decide a subquery (or make its value) to a query, and give the columns of their keys.

    `needed`: the rows without any are left out.
    """
    name = rewriter.name("q")
    moved = _moved(asked)
    if moved is None:
        rows = rewriter.rows(asked.query)
        if free_tables(asked.query):
            beside(query, _lateral(rows, asked, name), exp.true(), needed)
        else:
            match = asked.match(name, rows.names)
            inner = _shown(rows, asked, rows.names if match is not None else [])
            beside(query, derived(inner, name), match or exp.true(), needed)
    else:
        stripped, conditions = moved
        rows = rewriter.rows(stripped)
        inner = _shown(rows, asked, rows.names)
        on = [*_renamed(conditions, stripped, name)]
        match = asked.match(name, rows.names)
        met = exp.and_(*on, match) if on or match is not None else exp.true()
        beside(query, derived(inner, name), met, needed)
    return [(one.mark, [column(key, name) for key in one.columns], one.types) for one in rows.prov]


def _shown(rows: Rows, asked: Asked, names: list[str]) -> exp.Select:
    wanted = names + [name for one in rows.prov for name in one.columns]
    inner = select([alias(column(name, "__s"), name) for name in wanted], derived(rows.traced, "__s"))
    if not rows.fine:
        inner.set("distinct", exp.Distinct())
    return inner


def _lateral(rows: Rows, asked: Asked, name: str) -> exp.Lateral:
    inner = _shown(rows, asked, [])
    match = asked.match("__s", rows.names)
    if match is not None:
        inner.where(match, copy=False)
    return exp.Lateral(
        this=exp.Subquery(this=inner), alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True))
    )


def _moved(asked: Asked) -> tuple[exp.Select, list[exp.Expr]] | None:
    """The subquery without its conditions on the row that asks, and these; None where that would change it."""
    query = asked.query
    if not isinstance(query, exp.Select) or any(query.args.get(name) for name in _WHOLE) or windows(query):
        return None
    distinct = query.args.get("distinct")
    grouped = is_grouped(query)
    if (distinct and distinct.args.get("on")) or query.meta.get("grouped"):
        return None
    matched = asked.kind in ("in", "any")
    if grouped and (matched or any(_asks(one) for one in query.expressions) or asked.kind == "exists"):
        return None
    own = {source.alias_or_name for source in sources(query)}
    inner, conditions = _split(query, own)
    values = list(query.expressions) if matched else []
    needed = dict.fromkeys(
        (found.table, found.name)
        for condition in conditions
        for found in condition.find_all(exp.Column)
        if found.table in own
    )
    keys = [alias(exp.column(name, table), f"__k_{table}_{name}") for table, name in needed]
    where = exp.Where(this=exp.and_(*inner)) if inner else None
    args = query.args | {"expressions": [*values, *keys], "where": where, "distinct": None, "order": None}
    if not args["expressions"]:
        args["expressions"] = [alias(exp.Literal.number(1), "__k")]
    stripped = exp.Select(**args)
    if free_tables(stripped) or any(_asks(condition) for condition in conditions):
        return None
    return stripped, conditions


def _split(query: exp.Select, own: set[str]) -> tuple[list[exp.Expr], list[exp.Expr]]:
    where = query.args.get("where")
    if where is None:
        return [], []
    parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    inner: list[exp.Expr] = []
    outer: list[exp.Expr] = []
    for part in parts:
        (outer if _free(part) - own else inner).append(part)
    return inner, outer


def _free(condition: exp.Expr) -> set[str]:
    used: set[str] = set()
    for found in walk(
        condition, lambda node: not isinstance(node, exp.Query) or isinstance(node, exp.Subquery)
    ):
        if isinstance(found, exp.Column) and found.table:
            used.add(found.table)
        elif isinstance(found, (exp.Select, exp.SetOperation)):
            used |= free_tables(found)
    return used


def _asks(node: exp.Expr) -> bool:
    return node.find(exp.Select) is not None


def _renamed(conditions: list[exp.Expr], stripped: exp.Select, name: str) -> list[exp.Expr]:
    """The conditions, with the subquery's columns read from what it is joined as."""
    own = {source.alias_or_name for source in sources(stripped)}
    renamed: list[exp.Expr] = []
    for condition in conditions:
        holder = exp.Paren(this=condition.copy())
        for found in list(holder.find_all(exp.Column)):
            if found.table in own:
                found.replace(column(f"__k_{found.table}_{found.name}", name))
        renamed.append(holder)
    return renamed
