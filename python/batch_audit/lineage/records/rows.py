"""A query in two forms: as it was, with an identity for its rows, and the same with the keys that they came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp


@dataclass
class Prov:
    """The columns that carry the keys of one read of a relation."""

    mark: str
    columns: list[str]
    types: list[str]


@dataclass
class Rows:
    """A rewritten query.

    `plain` has the columns `names` and `ids`, and the rows of the original. `traced` has those and the columns of
    `prov`; every row of `plain` is in it at least once, once for each combination of rows that it came from. `ids`
    together tell the rows of `plain` apart; some are among `names`. `multiplied`: a row may be in `traced`
    more than once.
    `fine`: the columns of `prov` tell the rows of `traced` apart.
    """

    names: list[str]
    ids: list[str]
    id_types: list[str]
    plain: exp.Query
    traced: exp.Query
    prov: list[Prov] = field(default_factory=list)
    multiplied: bool = False
    fine: bool = False

    @property
    def carried(self) -> list[str]:
        """The columns of `plain`."""
        return self.names + [name for name in self.ids if name not in self.names]


# For each traced read: its mark, the expressions of its keys, and their types.
Carried = list[tuple[str, list[exp.Expr], list[str]]]


@dataclass
class Item:
    """Something in FROM, in both forms; `ids` and `prov` are expressions over its alias."""

    plain: exp.Expr
    traced: exp.Expr
    ids: list[exp.Expr]
    id_types: list[str]
    prov: Carried
    multiplied: bool
    fine: bool


def column(name: str, table: str) -> exp.Column:
    """A column of a rewritten query: quoted, since names of the original may need it."""
    return exp.Column(this=exp.to_identifier(name, quoted=True), table=exp.to_identifier(table, quoted=True))


def again(query: exp.Query, **changed: object) -> exp.Select:
    """A SELECT with the same parts, apart from those that are given (None: left out).

    The parts are shared, not copied: rewritten queries are only read, and copied as a whole when they are written out.
    """
    args = {name: list(part) if isinstance(part, list) else part for name, part in query.args.items()}
    return exp.Select(**(args | changed))


def alias(value: exp.Expr, name: str) -> exp.Expr:
    """A projection under this name."""
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def derived(query: exp.Query, name: str, shared: bool = False) -> exp.Subquery:
    """A query in FROM; a shared one is written once, in a WITH, when it occurs several times."""
    made = exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    if shared:
        made.meta["shared"] = True
    return made


def select(columns: list[exp.Expr], source: exp.Expr | None) -> exp.Select:
    """A SELECT over one source, or over none."""
    return exp.Select(expressions=columns, from_=exp.From(this=source) if source is not None else None)


def picked(query: exp.Query, names: list[str], prov: list[Prov], source: str = "__o") -> exp.Select:
    """These columns of a query, under their own names."""
    wanted = names + [name for one in prov for name in one.columns]
    return select([alias(column(name, source), name) for name in wanted], derived(query, source))


def typed_null(kind: str, dialect: str) -> exp.Expr:
    """NULL, with its type where that is known."""
    if not kind:
        return exp.Null()
    return exp.Cast(this=exp.Null(), to=exp.DataType.build(kind, dialect=dialect, udt=True))


def left_join(query: exp.Select, source: exp.Expr, on: exp.Expr) -> None:
    """Add a LEFT JOIN."""
    query.append("joins", exp.Join(this=source, side="LEFT", on=on))


def beside(query: exp.Select, source: exp.Expr, on: exp.Expr, needed: bool) -> None:
    """Add a LEFT JOIN, or an inner one for rows that are needed."""
    query.append("joins", exp.Join(this=source, side=None if needed else "LEFT", on=on))


def left_join_same(
    query: exp.Select, source: exp.Expr, pairs: Sequence[tuple[exp.Expr, exp.Expr]], dialect: str
) -> None:
    """LEFT JOIN of a query over one source to where its rows came from, by their identity.

    PostgreSQL, which cannot tell how many groups there are, may run the right side again for each row of the left:
    a FULL JOIN is always hashed or merged, and the rows of the right side alone are taken away.
    """
    on = same(pairs, dialect)
    if dialect != "postgres" or not pairs:
        left_join(query, source, on)
        return
    base = query.args["from_"].this
    every = exp.Column(this=exp.Star(), table=base.args["alias"].this.copy())
    here = select([every, alias(exp.true(), "__here")], base)
    query.set("from_", exp.From(this=derived(here, base.alias)))
    query.append("joins", exp.Join(this=source, side="FULL", on=on))
    there = exp.Coalesce(this=column("__here", base.alias), expressions=[exp.false()])
    query.where(there, copy=False)


def same(pairs: Sequence[tuple[exp.Expr, exp.Expr]], dialect: str) -> exp.Expr:
    """Whether values are equal, NULL being equal to NULL. TRUE for no pairs.

    PostgreSQL cannot hash IS NOT DISTINCT FROM; arrays of one compare NULLs as equal, and are hashed.
    """
    tests: list[exp.Expr] = []
    for left, right in pairs:
        if dialect == "postgres":
            tests.append(
                exp.EQ(this=exp.Array(expressions=[left]), expression=exp.Array(expressions=[right]))
            )
        else:
            tests.append(exp.NullSafeEQ(this=left, expression=right))
    return exp.and_(*tests) if tests else exp.true()
