"""A SELECT: by the row when it keeps rows, by the group, by the value (DISTINCT), each from what FROM gives."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records import frames, groups
from batch_audit.lineage.records.core import Core, core_of, named_ids, named_prov
from batch_audit.lineage.records.nodes import is_grouped, makes_rows, output_names, windows
from batch_audit.lineage.records.rows import (
    Rows,
    again,
    alias,
    column,
    derived,
    left_join_same,
    picked,
    select,
)
from batch_audit.lineage.records.subqueries import Asked, asked_of, before_grouping

if TYPE_CHECKING:
    from batch_audit.lineage.records.rewriter import Rewriter


def rewrite(rewriter: "Rewriter", query: exp.Select) -> Rows:
    """Both forms of a SELECT."""
    distinct = query.args.get("distinct")
    grouped = is_grouped(query) or bool(query.meta.get("grouped"))
    if distinct and not distinct.args.get("on"):
        return _distinct(rewriter, query, grouped)
    early, late = _asked(rewriter, query, grouped)
    core = core_of(rewriter, query, early)
    if grouped:
        return groups.rewrite(rewriter, query, core, late)
    if frames.asked(rewriter, query):
        return frames.rewrite(rewriter, query, core)
    return _by_row(rewriter, query, core)


def _asked(rewriter: "Rewriter", query: exp.Select, grouped: bool) -> tuple[list[Asked], list[Asked]]:
    """The traced subqueries that are asked for every row, and those for every group."""
    early: list[Asked] = []
    late: list[Asked] = []
    seen: set[str] = set()  # an alias that is written out elsewhere repeats its subquery
    for clause, asked in asked_of(query):
        marks = set(rewriter.marks([asked.query]))
        if marks - seen:
            (late if grouped and not before_grouping(clause, asked, query) else early).append(asked)
            seen |= marks
    return early, late


def _by_row(rewriter: "Rewriter", query: exp.Select, core: Core) -> Rows:
    names = output_names(query)
    core.fine = core.fine and not makes_rows(query)
    ids, extra = named_ids(core.ids, query)
    prov, carried = named_prov(core.prov)
    plain = again(core.plain, expressions=[*core.plain.expressions, *extra])
    counted = any(query.args.get(name) for name in ("limit", "offset", "fetch", "qualify", "distinct"))
    if not prov:
        return Rows(names, ids, core.id_types, plain, plain)
    if core.multiplied and (counted or windows(query)):
        source = again(
            core.traced,
            expressions=[alias(one.copy(), f"__m{n}") for n, one in enumerate(core.ids)] + carried,
        )
        keys = [f"__m{n}" for n in range(len(ids))]
        return joined(
            rewriter, Rows(names, ids, core.id_types, plain, plain, prov, True, core.fine), source, keys
        )
    traced = _kept_clauses(query, core, counted)
    traced.set("expressions", [*query.expressions, *extra, *carried])
    return Rows(names, ids, core.id_types, plain, traced, prov, core.multiplied, core.fine)


def _kept_clauses(query: exp.Select, core: Core, counted: bool) -> exp.Select:
    traced = again(core.traced)
    kept = ("windows", "qualify", "limit", "offset", "fetch", "distinct") + (("order",) if counted else ())
    for name in kept:
        value = query.args.get(name)
        if value:
            traced.set(name, list(value) if isinstance(value, list) else value)
    return traced


def joined(rewriter: "Rewriter", rows: Rows, source: exp.Query, keys: list[str]) -> Rows:
    """The untouched query, left-joined to where its rows came from: its rows are right by construction."""
    columns: list[exp.Expr] = [alias(column(name, "__b"), name) for name in rows.carried]
    columns += [alias(column(name, "__t"), name) for one in rows.prov for name in one.columns]
    traced = select(columns, derived(rows.plain, "__b", shared=True))
    pairs = [
        (column(mine, "__b"), column(theirs, "__t")) for mine, theirs in zip(rows.ids, keys, strict=True)
    ]
    left_join_same(traced, derived(source, "__t"), pairs, rewriter.dialect)
    rows.traced = traced
    return rows


def _distinct(rewriter: "Rewriter", query: exp.Select, grouped: bool) -> Rows:
    """A value comes from every row that has it."""
    inner = again(query, **dict.fromkeys(("distinct", "order", "limit", "offset", "fetch")))
    inner.meta.update(query.meta)
    if grouped:
        inner.meta["grouped"] = True
    rows = rewriter.rows(inner)
    names = rows.names
    same_sources = {name: rows.plain.args.get(name) for name in ("from_", "joins", "laterals")}
    plain = again(query, **same_sources)
    whole = [""] * len(names)
    result = Rows(names, names, whole, plain, plain, rows.prov, True, rows.fine)
    if not rows.prov:
        return result
    found = picked(rows.traced, names, rows.prov)
    if not rows.fine:
        found.set("distinct", exp.Distinct())
    return joined(rewriter, result, found, names)
