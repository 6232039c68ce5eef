"""`where`: only the output rows that have a value, asked of the original and of its provenance, each by itself."""

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from batch_audit.lineage.records.errors import BadArgument
from batch_audit.lineage.records.nodes import is_grouped, sources, windows
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
    return _pushed(rows.traced, wanted)


def _parameter(text: str, dialect: str) -> exp.Expr:
    try:
        found = sqlglot.parse_one(text if not text.isidentifier() else f":{text}", read=dialect)
    except sqlglot.errors.SqlglotError as error:
        raise BadArgument(f"{text!r} in `where` is not a parameter that {dialect} can read") from error
    if not isinstance(found, (exp.Placeholder, exp.Parameter)):
        raise BadArgument(f"{text!r} in `where` is not a parameter: write one as {dialect} does, such as $1")
    return found


def _pushed(query: exp.Query, wanted: dict[str, exp.Expr]) -> exp.Query:
    """A traced query with the predicates, and with copies of them as far down as its columns are plain ones.

    The predicates stay on top: rows that an outer join then leaves without a partner are dropped there.
    """
    if isinstance(query, exp.Union) and query.args.get("distinct") is False:
        for side in ("this", "expression"):
            query.set(side, _pushed(query.args[side], wanted))
        return query
    if (
        isinstance(query, exp.Select)
        and not any(query.args.get(name) for name in _CUTS)
        and not (windows(query) or is_grouped(query))
    ):
        source = query.args["from_"].this if query.args.get("from_") else None
        if isinstance(source, exp.Subquery) and source.alias.startswith("__b"):
            _narrow_sides(query, source, wanted)
        else:
            _push_into_sources(query, wanted)
    return _kept(query, wanted)


_CUTS = ("group", "having", "limit", "offset", "fetch", "qualify")


def _push_into_sources(query: exp.Select, wanted: dict[str, exp.Expr]) -> None:
    shown = {projection.alias_or_name: projection.unalias() for projection in query.expressions}
    for source in sources(query):
        inner: dict[str, exp.Expr] = {}
        for name, value in wanted.items():
            origin = shown.get(name)
            if isinstance(origin, exp.Column) and origin.table == source.alias_or_name:
                inner[origin.name] = value
        if inner and isinstance(source, exp.Subquery):
            source.set("this", _pushed(source.this, inner))


def _narrow_sides(traced: exp.Select, base: exp.Subquery, wanted: dict[str, exp.Expr]) -> None:
    shown = {projection.alias_or_name: projection.unalias() for projection in traced.expressions}
    own = {
        shown[name].name: value
        for name, value in wanted.items()
        if isinstance(shown.get(name), exp.Column) and shown[name].args["table"].name == base.alias
    }
    base.set("this", _kept(base.this, own))
    for join in traced.args.get("joins") or ():
        side = join.this
        if isinstance(side, exp.Subquery) and side.alias == "__t":
            pairs = _paired(join.args["on"], base.alias)
            theirs = {pairs[name]: value for name, value in own.items() if name in pairs}
            if theirs:
                side.set("this", _pushed(side.this, theirs))


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
