"""Recursive CTEs: run as they are; a row may have come from any row of the relations that the recursion reads."""

from typing import TYPE_CHECKING, cast

from sqlglot import exp

from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.nodes import output_names
from batch_audit.lineage.records.rows import Prov, Rows, alias, column, derived, left_join, select
from batch_audit.lineage.tree import alias_names

if TYPE_CHECKING:
    from batch_audit.lineage.records.prepare import Env, Preparation, Prepared
    from batch_audit.lineage.records.rewriter import Rewriter

REASON = "a row of a recursive CTE may come from any row of the relations that the recursion reads"


def reads_itself(cte: exp.CTE) -> bool:
    """Whether a CTE is recursive."""
    return any(
        table.name.lower() == cte.alias.lower() and not table.db for table in cte.this.find_all(exp.Table)
    )


def is_recursive(query: exp.Expr) -> bool:
    """Whether a prepared query is a recursive CTE, as `prepare` writes it: the only one that keeps its WITH."""
    return isinstance(query, exp.Select) and query.args.get("with_") is not None


def prepare(preparation: "Preparation", cte: exp.CTE, env: "Env") -> "Prepared":
    """A SELECT of the recursive CTE, with the CTE, its two sides resolved. Raises Untraceable for other shapes."""
    body = cte.this
    name, columns = alias_names(cte)
    if not isinstance(body, exp.Union) or any(body.args.get(one) for one in ("order", "limit", "with_")):
        raise Untraceable(f"the recursive CTE {name} is not a UNION of a start and a step")
    if any(value for key, value in cte.args.items() if key not in ("this", "alias", "materialized")):
        raise Untraceable(f"the recursive CTE {name} is written in a way that is not traced")
    start = preparation.query(body.this, env)
    names = [one.lower() for one in columns] or output_names(start.query)
    own = preparation.own_name()
    types = dict(zip(names, start.types.values(), strict=False))
    itself = type(start)(cast(exp.Query, exp.Table(this=own)), types)
    step = preparation.query(body.expression, env | {name.lower(): (itself, [])})
    made = exp.CTE(
        this=exp.Union(
            this=start.query, expression=step.query, distinct=body.args.get("distinct") is not False
        ),
        alias=exp.TableAlias(this=own.copy(), columns=[exp.to_identifier(one, quoted=True) for one in names]),
    )
    outer = exp.Select(
        expressions=[alias(column(one, own.name), one) for one in names],
        from_=exp.From(this=exp.Table(this=own.copy(), alias=exp.TableAlias(this=own.copy()))),
        with_=exp.With(expressions=[made], recursive=True),
    )
    return type(start)(outer, types)


def rewrite(rewriter: "Rewriter", query: exp.Select) -> Rows:
    """Its rows as they are, each with every row of every traced read."""
    names = output_names(query)
    rows = Rows(names, names, [""] * len(names), query, query, [], True, False)
    traced = select([alias(column(one, "__r"), one) for one in names], derived(query, "__r", shared=True))
    for mark in rewriter.marks([query]):
        known = rewriter.reads[mark][1]
        keys = list(known.key or known.columns)
        place = len(rows.prov)
        read = exp.Table(this=exp.to_identifier(mark), alias=exp.TableAlias(this=exp.to_identifier("__a")))
        read.meta["read"] = mark
        prov = Prov(mark, [f"__p{place}_{n}" for n in range(len(keys))], [known.columns[key] for key in keys])
        inner = select(
            [
                alias(exp.column(key, "__a", quoted=True), one)
                for key, one in zip(keys, prov.columns, strict=True)
            ],
            read,
        )
        left_join(traced, derived(inner, f"__a{place}"), exp.true())
        traced.args["expressions"] += [alias(column(one, f"__a{place}"), one) for one in prov.columns]
        rows.prov.append(prov)
    if rows.prov:
        rows.traced = traced
    return rows
