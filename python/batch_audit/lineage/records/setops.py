"""UNION, INTERSECT, EXCEPT: their rows, and the sides' rows that they came from."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records.rows import (
    Prov,
    Rows,
    alias,
    column,
    derived,
    picked,
    same,
    select,
    typed_null,
)
from batch_audit.lineage.records.selects import joined

if TYPE_CHECKING:
    from batch_audit.lineage.records.rewriter import Rewriter


def rewrite(rewriter: "Rewriter", node: exp.SetOperation) -> Rows:
    """Both forms of a set operation."""
    left, right = rewriter.rows(node.this), rewriter.rows(node.expression)
    keeps_all = isinstance(node, exp.Union) and node.args.get("distinct") is False
    if keeps_all:
        return _union_all(rewriter, left, right)
    plain = type(node)(
        **(
            node.args
            | {
                "this": _side(left, left.names, left.plain),
                "expression": _side(right, left.names, right.plain),
            }
        )
    )
    prov = _renumbered(left, 0) + _renumbered(right, len(left.prov))
    rows = Rows(
        left.names, left.names, [""] * len(left.names), plain, plain, prov, True, left.fine and right.fine
    )
    if not prov:
        return rows
    if isinstance(node, exp.Union):
        source: exp.Query = _stacked(rewriter, left, right, prov)
    elif isinstance(node, exp.Intersect):
        source = _paired(rewriter, left, right, prov)
        rows.fine = left.fine
    else:
        source = _side(left, left.names, left.traced, _filled(rewriter, left, prov, 0))
        source = _as_compared(rewriter, source, left, right, prov)
        rows.fine = left.fine
    if not rows.fine and isinstance(source, exp.Select):
        source.set("distinct", exp.Distinct())
    elif not rows.fine and not isinstance(node, exp.Union):
        source = exp.Select(
            expressions=[exp.Star()], from_=exp.From(this=derived(source, "__d")), distinct=exp.Distinct()
        )
    return joined(rewriter, rows, source, left.names)


def _renumbered(rows: Rows, start: int) -> list[Prov]:
    return [
        Prov(one.mark, [f"__p{start + place}_{n}" for n in range(len(one.columns))], one.types)
        for place, one in enumerate(rows.prov)
    ]


def _side(rows: Rows, names: list[str], form: exp.Query, more: list[exp.Expr] | None = None) -> exp.Select:
    """One side under the names of the first, with more columns."""
    columns = [alias(column(own, "__o"), name) for own, name in zip(rows.names, names, strict=True)]
    return select([*columns, *(more or [])], derived(form, "__o", shared=form is rows.plain))


def _filled(rewriter: "Rewriter", rows: Rows, prov: list[Prov], start: int) -> list[exp.Expr]:
    """The keys that this side carries, and NULL for the other's."""
    own = dict(enumerate(rows.prov, start))
    columns: list[exp.Expr] = []
    for place, one in enumerate(prov):
        for number, name in enumerate(one.columns):
            mine = own.get(place)
            value: exp.Expr = (
                column(mine.columns[number], "__o")
                if mine
                else typed_null(one.types[number], rewriter.dialect)
            )
            columns.append(alias(value, name))
    return columns


def _as_compared(
    rewriter: "Rewriter", side: exp.Select, left: Rows, other: Rows, prov: list[Prov]
) -> exp.Query:
    """One side, with the types that the two sides have in common: PostgreSQL matches arrays of one type only.

    UNION ALL with no row of the other side finds them as the set operation does.
    """
    if rewriter.dialect != "postgres":
        return side
    nulls = [
        alias(typed_null(kind, rewriter.dialect), name)
        for one in prov
        for name, kind in zip(one.columns, one.types, strict=True)
    ]
    none = _side(other, left.names, other.plain, nulls).where(exp.false(), copy=False)
    return exp.Union(this=side, expression=none, distinct=False)


def _stacked(rewriter: "Rewriter", left: Rows, right: Rows, prov: list[Prov]) -> exp.Union:
    first = _side(left, left.names, left.traced, _filled(rewriter, left, prov, 0))
    second = _side(right, left.names, right.traced, _filled(rewriter, right, prov, len(left.prov)))
    return exp.Union(this=first, expression=second, distinct=False)


def _paired(rewriter: "Rewriter", left: Rows, right: Rows, prov: list[Prov]) -> exp.Select:
    columns: list[exp.Expr] = [alias(column(name, "__l"), name) for name in left.names]
    for place, one in enumerate(prov):
        side, mine = ("__l", left.prov[place]) if place < len(left.prov) else (
            "__r", right.prov[place - len(left.prov)],
        )  # fmt: skip
        columns += [alias(column(a, side), b) for a, b in zip(mine.columns, one.columns, strict=True)]
    pairs: list[tuple[exp.Expr, exp.Expr]] = [
        (column(a, "__l"), column(b, "__r")) for a, b in zip(left.names, right.names, strict=True)
    ]
    first, second = left.traced, right.traced
    if rewriter.dialect == "postgres":
        first = _as_compared(rewriter, picked(first, left.names, left.prov), left, right, left.prov)
        pairs = [(column(name, "__l"), column(name, "__r")) for name in left.names]
        renamed = _side(
            right,
            left.names,
            second,
            [alias(column(name, "__o"), name) for one in right.prov for name in one.columns],
        )
        second = _as_compared(rewriter, renamed, left, left, right.prov)
    made = select(columns, derived(first, "__l"))
    made.append("joins", exp.Join(this=derived(second, "__r"), on=same(pairs, rewriter.dialect)))
    return made


def _union_all(rewriter: "Rewriter", left: Rows, right: Rows) -> Rows:
    """A row is told apart by its side and its identity there."""
    prov = _renumbered(left, 0) + _renumbered(right, len(left.prov))
    ids = [f"__i{n}" for n in range(1 + len(left.ids) + len(right.ids))]
    types = [_kept_type(kind) for kind in left.id_types + right.id_types]

    def side(rows: Rows, form: exp.Query, number: int, traced: bool) -> exp.Select:
        start = 1 if number == 0 else 1 + len(left.ids)
        more: list[exp.Expr] = [alias(exp.Literal.number(number), ids[0])]
        for place, name in enumerate(ids[1:], 1):
            kind = types[place - 1]
            if start <= place < start + len(rows.ids):
                value: exp.Expr = column(rows.ids[place - start], "__o")
                if not rows.id_types[place - start]:
                    value = exp.Cast(this=value, to=exp.DataType.build("text"))
            else:
                value = typed_null(kind, rewriter.dialect)
            more.append(alias(value, name))
        if traced:
            more += _filled(rewriter, rows, prov, 0 if number == 0 else len(left.prov))
        return _side(rows, left.names, form, more)

    plain = exp.Union(
        this=side(left, left.plain, 0, False), expression=side(right, right.plain, 1, False), distinct=False
    )
    rows = Rows(left.names, ids, ["int", *types], plain, plain, prov)
    if prov:
        rows.traced = exp.Union(
            this=side(left, left.traced, 0, True),
            expression=side(right, right.traced, 1, True),
            distinct=False,
        )
    rows.multiplied = left.multiplied or right.multiplied
    rows.fine = left.fine and right.fine
    return rows


def _kept_type(kind: str) -> str:
    return kind or "text"
