"""Which sources of a SELECT have one row at most for each row of another: by equal keys."""

from collections.abc import Iterable

from sqlglot import exp

Name = tuple[str, str]  # alias, column
Keys = dict[str, frozenset[str] | None]  # alias to its key; None: not known


class Outer(tuple[str, str]):
    """A column of the partner in an outer join."""

    __slots__ = ()


Pair = tuple[Name | None, Name | None]


def outer_equalities(condition: exp.Expr | None, partner: str) -> list[Pair]:
    """The equalities of an outer join, of use only to tell the partner's row."""

    def marked(name: Name | None) -> Name | None:
        return Outer(name) if name is not None and name[0] == partner else name

    pairs = [(marked(left), marked(right)) for left, right in equalities(condition)]
    return [pair for pair in pairs if isinstance(pair[0], Outer) != isinstance(pair[1], Outer)]


def equalities(condition: exp.Expr | None) -> list[Pair]:
    """The pairs of columns that must be equal, and columns that must equal a constant (with None)."""
    found: list[Pair] = []
    if condition is None:
        return found
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        part = part.unnest()
        if isinstance(part, exp.And):
            found += equalities(part)
        elif isinstance(part, exp.EQ):
            left, right = part.this.unnest(), part.expression.unnest()
            if isinstance(left, exp.Column) and isinstance(right, exp.Column):
                found.append(((left.table, left.name), (right.table, right.name)))
            elif isinstance(left, exp.Column) and isinstance(right, exp.Literal):
                found.append(((left.table, left.name), None))
            elif isinstance(right, exp.Column) and isinstance(left, exp.Literal):
                found.append(((right.table, right.name), None))
    return found


def closure(start: Iterable[Name], placed: set[str], keys: Keys, pairs: list[Pair]) -> set[str]:
    """The sources that are fixed once these columns (and every column of the `placed` sources) are."""
    known = set(start)
    fixed = set(placed)

    def is_known(name: Name | None) -> bool:
        return name is None or name in known or name[0] in fixed

    changed = True
    while changed:
        changed = False
        for left, right in pairs:
            for one, other in ((left, right), (right, left)):
                if isinstance(one, Outer) or isinstance(other, Outer):
                    one, other = _outward(one, other)
                if one is not None and not is_known(one) and is_known(other):
                    known.add(one)
                    changed = True
        for alias, key in keys.items():
            if alias not in fixed and key is not None and all(is_known((alias, column)) for column in key):
                fixed.add(alias)
                changed = True
    return fixed


def _outward(one: Name | None, other: Name | None) -> tuple[Name | None, Name | None]:
    """An outer join fixes its partner's columns, not the other way: they may be NULL for many rows."""
    return (one, other) if isinstance(one, Outer) else (other, one)


def driver(keys: Keys, pairs: list[Pair]) -> str | None:
    """A source of which every row has one row at most of all the others."""
    for alias in keys:
        if closure((), {alias}, keys, pairs) >= keys.keys():
            return alias
    return None
