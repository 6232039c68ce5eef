"""What FROM gives when its sources are cut: see `states`."""

from dataclasses import dataclass, field

from sqlglot import exp

from batch_audit.lineage.records.determined import (
    Keys,
    Name,
    Outer,
    Pair,
    closure,
    driver,
    equalities,
    outer_equalities,
)
from batch_audit.lineage.records.nodes import free_tables, is_grouped, sources, windows
from batch_audit.lineage.records.states import Level, State


@dataclass
class Joined:
    """The sources of a SELECT so far; `unstable` are names of columns whose values may change."""

    state: State
    keys: Keys = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    outer: bool = False
    unstable: set[Name] = field(default_factory=set)

    def uses_unstable(self, node: exp.Expr | None) -> bool:
        """Whether an expression reads a value that may change."""
        if node is None:
            return False
        return any((column.table, column.name) in self.unstable for column in node.find_all(exp.Column))

    def determined(self, last: str, on: list[Pair]) -> bool:
        """Whether no row of what was there and of the last source meet that did not meet before.

        So it is when either tells the other, or, among inner joins, one source tells all.
        """
        others = {alias: key for alias, key in self.keys.items() if alias != last}
        return (
            last in closure((), set(others), self.keys, self.pairs)
            or closure((), {last}, self.keys, [*self.pairs, *on]) >= others.keys()
            or (not self.outer and driver(self.keys, self.pairs) is not None)
        )


def join_all(select: exp.Select, states: list[tuple[str, State]]) -> Joined:
    """Put the sources together in order."""
    if not states:
        return Joined(State(Level.WHOLE, complete=True))
    (alias, first), *others = states
    joined = Joined(State(first.level, first.ghost, complete=first.complete), {alias: first.key})
    least = first.level
    joined.state.reasons += first.reasons
    joined.unstable |= {(alias, name) for name in first.unstable}
    where = select.args.get("where")
    joins = select.args.get("joins") or []
    if where is not None and not others:
        joined.pairs += equalities(where.this)
    for number, (node, (alias, state)) in enumerate(zip(list(sources(select))[1:], others, strict=True)):
        join = joins[number] if number < len(joins) else None
        told: list[Pair] = []
        if isinstance(node, exp.Lateral):
            _follow(joined, state, node)
            told = _told_by_row(state, alias, node, join is not None and join.side == "LEFT")
        _add(joined, alias, state, join)
        joined.pairs += told
        if (
            where is not None
            and join is not None
            and not join.side
            and not any(j.side in ("RIGHT", "FULL") for j in joins)
        ):
            joined.pairs += [pair for pair in equalities(where.this) if pair not in joined.pairs]
        least = min(least, state.level)
        determined = joined.determined(alias, equalities(join.args.get("on") if join else None))
        if joined.state.level == Level.EXACT and not determined:
            joined.state.lower(Level.WHOLE)
        elif joined.state.level == Level.WHOLE and least == Level.EXACT and not joined.outer and determined:
            joined.state.level = Level.EXACT
    return joined


_SEVERAL = ("group", "having", "distinct", "limit", "offset", "fetch", "qualify")


def _follow(joined: Joined, state: State, node: exp.Lateral) -> None:
    """A lateral query that makes one row of several may make another one for a row that comes back."""
    query = node.this.this if isinstance(node.this, exp.Subquery) else None
    plain = query is None or (
        isinstance(query, exp.Select)
        and not any(query.args.get(name) for name in _SEVERAL)
        and not windows(query)
        and not is_grouped(query)
        and all(isinstance(source, exp.Table) for source in sources(query))
    )
    if joined.uses_unstable(node) or not (plain or state.complete or joined.state.level == Level.EXACT):
        state.lower(Level.RETURNS)
        state.complete = False


def _told_by_row(state: State, alias: str, node: exp.Lateral, outer: bool) -> list[Pair]:
    """The key of a lateral query tells its rows apart once the rows that it is run for are fixed, too."""
    pairs: list[Pair] = []
    for table in sorted(free_tables(node)) if state.key is not None else ():
        mine: Name = (alias, f"__of_{table}")
        state.key = (state.key or frozenset()) | {mine[1]}
        pairs.append((Outer(mine) if outer else mine, (table, "__row")))
    return pairs


def _add(joined: Joined, alias: str, state: State, join: exp.Join | None) -> None:
    side = join.side.upper() if join is not None and join.side else ""
    on = join.args.get("on") if join is not None else None
    joined.keys[alias] = state.key
    joined.unstable |= {(alias, name) for name in state.unstable}
    joined.state.reasons += state.reasons
    moving = joined.uses_unstable(on)
    left = joined.state
    if side == "RIGHT":
        left, state = state, left
    outer = side in ("LEFT", "RIGHT", "FULL")
    level = min(left.level, state.level)
    complete = left.complete and state.complete and not moving
    if outer and not complete:
        level = _outer(left, state, moving, side == "FULL", level)
    elif moving:
        level = min(level, Level.RETURNS)
    made = State(
        level, left.ghost and (outer or state.ghost), reasons=joined.state.reasons, complete=complete
    )
    if level == Level.BROKEN and Level.BROKEN not in (left.level, state.level):
        made.reasons.append(
            "rows that an outer join left without a partner may get one, or lose it, when rows are left out"
        )
    joined.state = made
    if side == "LEFT":
        joined.pairs += outer_equalities(on, alias)
    elif not side:
        joined.pairs += equalities(on)
    if outer:
        joined.outer = True
    if side in ("RIGHT", "FULL"):
        joined.pairs = []


def _outer(left: State, right: State, moving: bool, full: bool, level: Level) -> Level:
    """An outer join keeps to the original while no row of its preserved side comes back without its partners."""
    sides = [(left, right), (right, left)] if full else [(left, right)]
    for kept, partner in sides:
        if partner.ghost or partner.level < Level.KEYED or moving:
            return Level.BROKEN
        if kept.level < Level.EXACT and not partner.complete:
            level = min(level, Level.RETURNS)
    return level
