"""`where`: only the output rows that have a value, asked of the original and of its provenance, each by itself."""

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from batch_audit.lineage.records.errors import BadArgument
from batch_audit.lineage.records.rows import Rows, column, derived


def narrowed(rows: Rows, where: Mapping[str, str], dialect: str) -> exp.Query:
    """The traced form with the predicates in place."""
    if not where:
        return rows.traced
    folded = {name.lower(): name for name in rows.names}
    wanted: dict[str, exp.Expr] = {}
    for name, parameter in where.items():
        if name.lower() not in folded:
            raise BadArgument(
                f"`where` names {name}, which is no output column. They are {', '.join(rows.names)}."
            )
        wanted[folded[name.lower()]] = _parameter(parameter, dialect)
    traced = rows.traced
    if isinstance(traced, exp.Select) and _is_joined(traced):
        _narrow_sides(traced, rows, wanted)
        return traced
    return _kept(traced, wanted)


def _parameter(text: str, dialect: str) -> exp.Expr:
    try:
        found = sqlglot.parse_one(text if not text.isidentifier() else f":{text}", read=dialect)
    except sqlglot.errors.SqlglotError as error:
        raise BadArgument(f"{text!r} in `where` is not a parameter that {dialect} can read") from error
    if not isinstance(found, (exp.Placeholder, exp.Parameter)):
        raise BadArgument(f"{text!r} in `where` is not a parameter: write one as {dialect} does, such as $1")
    return found


def _is_joined(traced: exp.Select) -> bool:
    source = traced.args["from_"].this
    return isinstance(source, exp.Subquery) and source.alias.startswith("__b")


def _narrow_sides(traced: exp.Select, rows: Rows, wanted: dict[str, exp.Expr]) -> None:
    base = traced.args["from_"].this
    base.set("this", _kept(base.this, wanted))
    for join in traced.args.get("joins") or ():
        side = join.this
        if isinstance(side, exp.Subquery) and side.alias == "__t":
            pairs = _paired(join.args["on"], base.alias)
            theirs = {pairs[name]: value for name, value in wanted.items() if name in pairs}
            if theirs:
                side.set("this", _kept(side.this, theirs))


def _paired(on: exp.Expr, base: str) -> dict[str, str]:
    """Columns of the original, each with the column that the provenance is matched by."""
    found = {}
    for test in on.find_all(exp.NullSafeEQ, exp.EQ):
        columns = list(test.find_all(exp.Column))
        if len(columns) == 2 and columns[0].table == base:
            found[columns[0].name] = columns[1].name
    return found


def _kept(query: exp.Query, wanted: dict[str, exp.Expr]) -> exp.Select:
    made = exp.Select(expressions=[exp.Star()], from_=exp.From(this=derived(query, "__k")))
    for name, value in wanted.items():
        made.where(exp.EQ(this=column(name, "__k"), expression=value.copy()), copy=False)
    return made
