"""Windows as filters: the rows that were in the frame of a window when it was computed for a row."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.functions import name_of
from batch_audit.lineage.records.core import Core, named_ids, named_prov
from batch_audit.lineage.records.nodes import output_names, windowed, windows
from batch_audit.lineage.records.rows import (
    Prov,
    Rows,
    again,
    alias,
    column,
    derived,
    left_join,
    same,
    select,
)

if TYPE_CHECKING:
    from batch_audit.lineage.records.rewriter import Rewriter

# These look at the whole partition, whatever the frame.
_WHOLE = frozenset(["ntile", "percent_rank", "cume_dist", "percentrank", "cumedist"])
# These look at the rows in order, whatever the frame.
_OFFSETS = frozenset(["lag", "lead"])


def asked(rewriter: "Rewriter", query: exp.Select) -> bool:
    """Whether the window whose frames are wanted is one of this SELECT."""
    return bool(rewriter.window) and any(
        window.meta.get("window") == rewriter.window for window in windows(query)
    )


def rewrite(rewriter: "Rewriter", query: exp.Select, core: Core) -> Rows:
    """Both forms of a SELECT over rows, traced to the rows of the frame."""
    ids, extra = named_ids(core.ids, query)
    plain = again(core.plain, expressions=[*core.plain.expressions, *extra])
    prov, carried = named_prov(core.prov)
    source = again(core.traced)
    source.set("expressions", [alias(one.copy(), f"__m{n}") for n, one in enumerate(core.ids)] + carried)
    rows = Rows(output_names(query), ids, core.id_types, plain, plain, prov, True, False)
    return of_groups(rewriter, query, rows, (source, prov), core.ids)


def of_groups(
    rewriter: "Rewriter",
    query: exp.Select,
    rows: Rows,
    source: tuple[exp.Select, list[Prov]],
    identity: list[exp.Expr],
) -> Rows:
    """The identities of the frame's rows, gathered by the same window, taken apart, and traced."""
    found, prov = source
    if not identity:  # one row at most: any value tells it
        identity = [exp.Literal.number(1)]
        found.set("expressions", [alias(exp.Literal.number(1), "__m0"), *found.expressions])
    window = next(one for one in windows(query) if one.meta.get("window") == rewriter.window)
    gathered = [alias(_gather(window, one, query), f"__g{n}") for n, one in enumerate(identity)]
    framed = again(rows.plain, expressions=[*rows.plain.expressions, *gathered])
    base = rewriter.name("b")
    traced = select([], derived(framed, base))
    left_join(traced, _taken_apart(rewriter, len(identity), base), exp.true())
    pairs: list[tuple[exp.Expr, exp.Expr]] = [
        (column(f"__f{n}", "__f"), column(f"__m{n}", "__t")) for n in range(len(identity))
    ]
    left_join(traced, derived(found, "__t"), same(pairs, rewriter.dialect))
    columns: list[exp.Expr] = [alias(column(name, base), name) for name in rows.carried]
    columns += [alias(column(name, "__t"), name) for one in prov for name in one.columns]
    traced.set("expressions", columns)
    rows.prov, rows.traced, rows.multiplied, rows.fine = prov, traced, True, False
    return rows


def _taken_apart(rewriter: "Rewriter", width: int, base: str) -> exp.Expr:
    lists: list[exp.Expr] = [column(f"__g{n}", base) for n in range(width)]
    name = exp.to_identifier("__f", quoted=True)
    if rewriter.dialect == "postgres":
        names = [exp.to_identifier(f"__f{n}", quoted=True) for n in range(width)]
        return exp.Unnest(expressions=lists, alias=exp.TableAlias(this=name, columns=names))
    columns: list[exp.Expr] = [
        alias(exp.Anonymous(this="unnest", expressions=[one]), f"__f{n}") for n, one in enumerate(lists)
    ]
    return exp.Lateral(
        this=exp.Subquery(this=exp.Select(expressions=columns)), alias=exp.TableAlias(this=name)
    )


def gathered_like(window: exp.Window, query: exp.Select) -> str:
    """A text that is the same for windows with the same frames."""
    return _gather(window, exp.Literal.number(1), query).sql()


def _gather(window: exp.Window, value: exp.Expr, query: exp.Select) -> exp.Expr:
    """The values of the frame's rows as a list: the same OVER, another function."""
    made = specification(window, query)
    function = windowed(window)
    name = name_of(function) if function is not None else ""
    if name in _WHOLE:
        made.set("order", None)
        made.set("spec", None)
    elif name in _OFFSETS:
        made.set("spec", _to_offset(function, name))  # type: ignore[arg-type]
    elif name in ("row_number", "rank", "dense_rank", "rownumber", "denserank"):
        made.set("spec", None)
    gather: exp.Expr = exp.ArrayAgg(this=value.copy())
    filtered = window.this
    while isinstance(filtered, (exp.IgnoreNulls, exp.RespectNulls)):
        filtered = filtered.this
    if isinstance(filtered, exp.Filter):
        gather = exp.Filter(this=gather, expression=filtered.expression.copy())
    made.set("this", gather)
    return made


def specification(window: exp.Window, query: exp.Select) -> exp.Window:
    """A copy of a window with the parts that it takes from a named one."""
    made = window.copy()
    made.meta.pop("window", None)
    name = made.args.get("alias")
    if name is not None:
        made.set("alias", None)
        for named in query.args.get("windows") or ():
            if named.name.lower() == name.name.lower():
                full = specification(named, query)
                for part in ("partition_by", "order", "spec"):
                    if not made.args.get(part) and full.args.get(part):
                        made.set(part, full.args[part])
        made.set("over", "OVER")
    return made


def _to_offset(function: exp.Expr, name: str) -> exp.WindowSpec | None:
    """LAG and LEAD look at one row: the frame up to there holds it."""
    if isinstance(function.parent, exp.IgnoreNulls):
        side = ("UNBOUNDED", "PRECEDING") if name == "lag" else ("UNBOUNDED", "FOLLOWING")
    else:
        offset = function.args.get("offset") or exp.Literal.number(1)
        if not offset.is_int:
            side = ("UNBOUNDED", "PRECEDING") if name == "lag" else ("UNBOUNDED", "FOLLOWING")
        else:
            side = (offset.copy(), "PRECEDING" if name == "lag" else "FOLLOWING")  # type: ignore[assignment]
    start, end = (side, ("CURRENT ROW", None)) if name == "lag" else (("CURRENT ROW", None), side)
    return exp.WindowSpec(kind="ROWS", start=start[0], start_side=start[1], end=end[0], end_side=end[1])
