"""Aggregate functions of the user's own, which are written like any other function."""

from collections.abc import Collection

from sqlglot import exp

from batch_audit.lineage.functions import name_of
from batch_audit.lineage.records.nodes import QUERIES, is_aggregate, within

NOTE = "own_aggregate"


def note(query: exp.Expr, names: Collection[str]) -> None:
    """Note the functions of these names, and those that are written with FILTER, DISTINCT, ORDER BY or WITHIN GROUP."""
    wanted = {name.rsplit(".", 1)[-1].strip('"').lower() for name in names}
    for function in query.find_all(exp.Func):
        if name_of(function) in wanted or (isinstance(function, exp.Anonymous) and _is_written_so(function)):
            function.meta[NOTE] = True


def _is_written_so(function: exp.Anonymous) -> bool:
    return isinstance(function.parent, (exp.Filter, exp.WithinGroup)) or any(
        isinstance(argument, (exp.Distinct, exp.Order)) for argument in function.expressions
    )


def note_grouped(select: exp.Select) -> None:
    """Note, under GROUP BY, the unknown functions that read a column which is no part of it."""
    group = select.args.get("group")
    if group is None:
        return
    keys = {part.sql() for part in group.find_all(exp.Expr)}
    parts = [*select.expressions, *(select.args.get(name) for name in ("having", "qualify", "order"))]
    for part in parts:
        for node in within(part) if part is not None else ():
            if isinstance(node, exp.Anonymous) and not is_aggregate(node) and _takes_rows(node, keys):
                node.meta[NOTE] = True


def _takes_rows(node: exp.Expr, keys: set[str]) -> bool:
    """Whether a column is read outside group expressions, aggregates and subqueries."""
    for child in node.iter_expressions():
        if child.sql() in keys or is_aggregate(child) or isinstance(child, QUERIES):
            continue
        if isinstance(child, exp.Column) or _takes_rows(child, keys):
            return True
    return False
