"""Joins in parentheses: written side by side while names are resolved, and put back as derived tables afterwards."""

from collections.abc import Iterator
from itertools import count

from sqlglot import exp

from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.nodes import sources
from batch_audit.lineage.records.rows import alias, column, derived

_OPENS, _INSIDE = "nest_opens", "nest_inside"
NOTES = (_OPENS, _INSIDE)


def flatten(query: exp.Expr) -> None:
    """Write `x left join (a join b on p) on q` as joins in a row, each noted with the parentheses that it stands in."""
    numbers = count()
    for select in list(query.find_all(exp.Select)):
        if select.args.get("from_") is None:
            continue
        first, joins = _head(select.args["from_"].this, numbers)
        select.args["from_"].set("this", first)
        for join in _after_commas(select.args.get("joins") or [], numbers):
            joins += _operand(join, numbers)
        select.set("joins", joins or None)


def _head(node: exp.Expr, numbers: Iterator[int]) -> tuple[exp.Expr, list[exp.Join]]:
    """The first source of a chain of joins, and the joins: parentheses around the left side change nothing."""
    own = node.args.get("joins") or []
    if isinstance(node, exp.Subquery) and isinstance(node.this, (exp.Table, exp.Subquery)):
        if node.args.get("alias"):
            named = exp.Select(expressions=[exp.Star()], from_=exp.From(this=node.this.copy()))
            flatten(named)
            node.set("this", named)
            return node, []
        first, joins = _head(node.this, numbers)
    else:
        node.set("joins", None)
        first, joins = node, []
    for join in own:
        joins += _operand(join, numbers)
    return first, joins


def _operand(join: exp.Join, numbers: Iterator[int]) -> list[exp.Join]:
    """A join, and those in the parentheses on its right."""
    first, inner = _head(join.this, numbers)
    join.set("this", first)
    if inner:
        number = next(numbers)
        join.meta[_OPENS] = number
        for one in inner:
            if one.args.get("using") or str(one.args.get("method") or "").upper() == "NATURAL":
                raise Untraceable("USING and NATURAL within joins in parentheses are not traced")
            one.meta[_INSIDE] = (number, *one.meta.get(_INSIDE, ()))
    return [join, *inner]


def _after_commas(joins: list[exp.Join], numbers: Iterator[int]) -> list[exp.Join]:
    """A comma binds less than JOIN: `a, b right join c` is a with what `b right join c` gives."""
    if not any(join.side in ("RIGHT", "FULL") for join in joins):
        return joins
    grouped: list[exp.Join] = []
    comma: exp.Join | None = None
    for join in joins:
        if not any(join.args.get(name) for name in ("kind", "side", "on", "using", "method")):
            comma = join
            grouped.append(exp.Join(this=join.this, kind="CROSS"))
        elif comma is None:
            grouped.append(join)
        else:
            grouped[-1].this.append("joins", join)
    return grouped


def nest(select: exp.Select) -> None:
    """Put the joins back that stand in parentheses, as derived tables, once names are resolved."""
    joins = list(select.args.get("joins") or [])
    kept: list[exp.Join] = []
    place = 0
    while place < len(joins):
        join = joins[place]
        place += 1
        number = join.meta.pop(_OPENS, None)
        inner: list[exp.Join] = []
        while number is not None and place < len(joins) and number in joins[place].meta.get(_INSIDE, ()):
            inner.append(joins[place])
            place += 1
        kept.append(join)
        if inner:
            _derive(select, join, inner, f"__nest{number}")
    if joins:
        select.set("joins", kept)


def _derive(select: exp.Select, join: exp.Join, inner: list[exp.Join], name: str) -> None:
    body = exp.Select(from_=exp.From(this=join.this.copy()), joins=[one.copy() for one in inner])
    own = {source.alias_or_name for source in sources(body)}
    for one in inner:
        one.pop()
    join.this.replace(exp.Table(this=exp.to_identifier(name)))
    used: dict[tuple[str, str], str] = {}
    for found in list(select.find_all(exp.Column)):
        if found.table in own and not _shadowed(found, select):
            output = used.setdefault((found.table, found.name), f"{found.table}.{found.name}")
            found.replace(column(output, name))
    outputs = [alias(exp.column(origin, table), output) for (table, origin), output in used.items()]
    body.set("expressions", outputs or [alias(exp.Literal.number(1), "__one")])
    nest(body)
    join.set("this", derived(body, name))


def _shadowed(found: exp.Column, select: exp.Select) -> bool:
    """Whether a query between has this alias itself."""
    node = found.parent_select
    while node is not None and node is not select:
        if isinstance(node, exp.Select) and found.table in {one.alias_or_name for one in sources(node)}:
            return True
        node = node.parent_select
    return False
