"""The SQL of an incremental model without the predicates that read the model itself. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from batch_audit.lineage.tree import table_parts


@dataclass(frozen=True)
class WithoutSelf:
    """SQL that no longer reads the model itself. `sql` is None where that cannot be had.

    `sound` tells that its rows come from all rows that those of the model came from, and maybe from more.
    """

    sql: str | None
    sound: bool = True


def reads_itself(sql: str, relation: Sequence[str], dialect: str) -> bool:
    """Whether a query reads this relation; False for SQL that cannot be read."""
    tree = _parsed(sql, dialect)
    return tree is not None and any(_reads(tree, relation, dialect))


def without_self(sql: str, relation: Sequence[str], dialect: str) -> WithoutSelf:
    """Drop the conjuncts of WHERE that read the relation.

    A condition that is dropped lets more rows in. That they are only more holds where what is above them adds up:
    inner joins, UNION, GROUP BY; not for EXCEPT, NOT, LIMIT, windows, HAVING, or the optional side of an outer join.
    """
    tree = _parsed(sql, dialect)
    if tree is None:
        return WithoutSelf(None)
    sound = True
    for table in list(_reads(tree, relation, dialect)):
        conjunct, select = _conjunct(table)
        if conjunct is None or select is None:
            return WithoutSelf(None)
        where = select.args["where"]
        kept = (
            [one for one in where.this.flatten() if one is not conjunct]
            if isinstance(where.this, exp.And)
            else []
        )
        select.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
        sound = sound and _adds_up(select, set())
    return WithoutSelf(tree.sql(dialect), sound)


def _parsed(sql: str, dialect: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql, read=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None


def _reads(tree: exp.Expr, relation: Sequence[str], dialect: str) -> Iterator[exp.Table]:
    own = tuple(part.lower() for part in relation)
    for table in tree.find_all(exp.Table):
        parts = tuple(part.lower() for part in table_parts(table, dialect))
        if len(parts) > 1 and own[-len(parts) :] == parts:
            yield table


def _conjunct(table: exp.Expr) -> tuple[exp.Expr | None, exp.Select | None]:
    """The whole conjunct of a WHERE that a table is read in, and the query that has it."""
    above = table.parent
    while above is not None and not isinstance(above, exp.Where):
        above = above.parent
    if above is None:
        return None, None
    select = above.parent
    # The nearest WHERE may belong to a subquery of the predicate: then the conjunct is that of the query around it.
    inside = select.parent if select is not None else None
    while inside is not None and not isinstance(inside, (exp.Where, exp.From, exp.Join, exp.CTE)):
        inside = inside.parent
    if isinstance(inside, exp.Where):
        return _conjunct(select) if select is not None else (None, None)
    conjuncts = list(above.this.flatten()) if isinstance(above.this, exp.And) else [above.this]
    found = next(
        (one for one in conjuncts if one is table or any(part is table for part in one.walk())), None
    )
    return found, select if isinstance(select, exp.Select) else None


def _adds_up(query: exp.Expr, seen: set[int]) -> bool:
    """Whether more rows of a query mean only more rows for all that is above it."""
    if id(query) in seen:
        return True
    seen.add(id(query))
    if _cuts(query):
        return False
    node: exp.Expr = query
    above = node.parent
    while above is not None:
        if isinstance(above, exp.CTE):
            readers = [
                table for table in above.root().find_all(exp.Table)
                if not table.args.get("db") and table.name.lower() == above.alias.lower()
            ]  # fmt: skip
            return all(_place_adds_up(table, seen) for table in readers)
        if isinstance(above, exp.Except) and above.expression is node:
            return False
        if isinstance(above, (exp.From, exp.Join)):
            return _place_adds_up(node, seen)
        if not isinstance(above, (exp.Subquery, exp.SetOperation, exp.Create)):
            return False
        if isinstance(above, exp.SetOperation) and _cuts(above):
            return False
        node, above = above, above.parent
    return True


def _place_adds_up(source: exp.Expr, seen: set[int]) -> bool:
    """The same for a relation in a FROM."""
    clause = source.parent
    while clause is not None and not isinstance(clause, (exp.From, exp.Join)):
        clause = clause.parent
    select = clause.parent if clause is not None else None
    if not isinstance(select, exp.Select):
        return False
    for join in select.args.get("joins") or ():
        side = (join.side or "").upper()
        if side in ("FULL", "RIGHT") or (join.kind or "").upper() in ("ANTI", "ASOF"):
            return False
        if side == "LEFT" and join is clause:
            return False
    return _adds_up(select, seen)


def _cuts(query: exp.Expr) -> bool:
    """Whether which rows a query gives depends on how many it has."""
    if any(query.args.get(name) for name in ("limit", "offset", "having", "qualify")):
        return True
    distinct = query.args.get("distinct")
    if isinstance(distinct, exp.Distinct) and distinct.args.get("on"):
        return True
    return isinstance(query, exp.Select) and any(one.find(exp.Window) for one in query.expressions)
