"""The walk that judges a query: one rule for each thing that a query does with rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from sqlglot import exp

from batch_audit.lineage.records import recursion
from batch_audit.lineage.records.catalog import Known
from batch_audit.lineage.records.determined import closure
from batch_audit.lineage.records.groups import grouping
from batch_audit.lineage.records.joins import Joined, join_all
from batch_audit.lineage.records.nodes import (
    aggregates,
    free_tables,
    is_grouped,
    makes_rows,
    output_names,
    sources,
    windows,
)  # fmt: skip
from batch_audit.lineage.records.ordering import is_closed, is_ordered, needs_total, order_of
from batch_audit.lineage.records.states import Level, State
from batch_audit.lineage.records.subqueries import Asked, asked_of, before_grouping
from batch_audit.lineage.records.survey import offset_key

_OTHERS = "the rows that decided about other rows, which a window or an OFFSET reads, are not listed"
_BLOCKING = "the rows that kept other combinations out are not listed"
_MOVING = "it may answer otherwise for other rows when rows are left out"


@dataclass
class Judge:
    """Judges a query of which some reads are `whole`: they keep all of their rows.

    `choices`: where the engine was free to choose a row, so that an answer cannot be sure. By the `keys` of decisions:
    `unsure`, why their own rows are not sure; `unlisted`, why they do not suffice where the verdict is that rows are
    lost; `suspects`, those that may be why when no other is.
    """

    reads: Mapping[str, tuple[exp.Table, Known]]
    whole: frozenset[str] = frozenset()
    choices: list[str] = field(default_factory=list)
    unsure: dict[str, str] = field(default_factory=dict)
    unlisted: dict[str, str] = field(default_factory=dict)
    suspects: dict[str, str] = field(default_factory=dict)

    def query(self, node: exp.Expr) -> State:
        """The state of a query."""
        if recursion.is_recursive(node):
            state = self._recursive(node)
        elif isinstance(node, exp.SetOperation):
            state = self._set_operation(node)
        else:
            state = self._select(cast(exp.Select, node))
        return State(Level.WHOLE, key=state.key, complete=True) if self._is_whole(node) else state

    def _is_whole(self, node: exp.Expr) -> bool:
        return self.whole.issuperset(_reads(node))

    def _recursive(self, node: exp.Expr) -> State:
        """With every row of what it reads, it gives what it gave; it may give something without any."""
        if _reads(node):
            self.choices.append(recursion.REASON)
        return State(Level.WHOLE, ghost=True)

    def _set_operation(self, node: exp.SetOperation) -> State:
        left, right = self.query(node.this), self.query(node.expression)
        level = min(left.level, right.level)
        state = State(level, left.ghost or right.ghost, reasons=left.reasons + right.reasons)
        names = output_names(node)
        unstable = left.unstable | {
            mine
            for mine, theirs in zip(names, output_names(node.expression), strict=False)
            if theirs in right.unstable
        }
        every = isinstance(node, exp.Union) and node.args.get("distinct") is False
        if every:
            state.unstable, state.key = frozenset(unstable), None
        else:
            state.key = frozenset(names)
            if unstable:
                state.lower(Level.RETURNS)
        if isinstance(node, exp.Union):
            if state.ghost:
                state.lower(Level.RETURNS)
            return state
        if node.args.get("distinct") is False:
            self.choices.append(f"{node.key.upper()} ALL does not tell which of equal rows stayed")
        if isinstance(node, exp.Intersect):
            state.ghost = left.ghost and right.ghost
            return state
        state.level, state.ghost = left.level, left.ghost
        if left.level < Level.EXACT and not right.complete:
            state.lower(Level.RETURNS)
        if right.level < Level.WHOLE or right.ghost:
            state.broken("rows that EXCEPT takes away may change when rows are left out")
        return state

    def _select(self, node: exp.Select) -> State:
        grouped = is_grouped(node) or bool(node.meta.get("grouped"))
        joined = join_all(node, [self._source(source) for source in sources(node)])
        early: list[tuple[str, Asked]] = []
        late: list[tuple[str, Asked]] = []
        for clause, asked in asked_of(node):
            first = not grouped or (clause != "having" and before_grouping(clause, asked, node))
            (early if first else late).append((clause, asked))
        where = node.args.get("where")
        if joined.uses_unstable(where):
            joined.state.lower(Level.RETURNS)
        moving = self._asked_all(joined, early)
        held = joined.state.complete and not (grouped and moving)
        asks = any(clause == "select" for clause, _ in early)
        if asks and (windows(node) or node.args.get("offset")) and not held:
            moving.add("select")  # the rows that decide come back, without the rows of their subqueries
        state = self._grouped(node, joined, moving) if grouped else self._rows(node, joined, moving)
        over = Joined(state, unstable={("", "")} if state.level < Level.WHOLE else set())
        later = self._asked_all(over, late)
        if "select" in later:
            state.lower(Level.KEYED)
            state.unstable |= {one.alias_or_name for one in node.expressions if one.find(exp.Select)}
        held = held and (state.complete or not grouped)
        self._windows(node, joined, state, grouped, held)
        distinct = node.args.get("distinct")
        if distinct and not distinct.args.get("on"):
            if state.unstable:
                state.lower(Level.RETURNS)
            state.key = frozenset(output_names(node))
            state.unstable = frozenset()
        self._cut(node, joined, state, grouped, held, "order" in moving | later)
        return state

    def _source(self, source: exp.Expr) -> tuple[str, State]:
        name = source.alias_or_name
        if isinstance(source, exp.Table) and "read" in source.meta:
            mark = source.meta["read"]
            complete = mark in self.whole
            key = frozenset(k.lower() for k in self.reads[mark][1].key) or None
            return name, State(Level.WHOLE if complete else Level.EXACT, key=key, complete=complete)
        inner = source.this.this if isinstance(source, exp.Lateral) else source.this
        if isinstance(inner, exp.Query):
            state = self.query(inner)
            if free_tables(inner) and not isinstance(source, exp.Lateral):
                state.key = None
            return name, state
        return name, State(Level.WHOLE, key=None, complete=True)

    def _asked_all(self, joined: Joined, asked: list[tuple[str, Asked]]) -> set[str]:
        """Apply subqueries to the rows that ask; gives the clauses whose values may change for other rows."""
        moving: set[str] = set()
        for clause, one in asked:
            if self._ask(joined, clause, one):
                moving.add(clause)
        return moving

    def _ask(self, joined: Joined, clause: str, asked: Asked) -> bool:
        chosen = len(self.choices)
        inner = self.query(asked.query)
        gives_value = clause == "select" and asked.kind == "scalar"
        if not gives_value:
            self._note(self.unsure, asked.query, self.choices[chosen:])
            del self.choices[chosen:]
        state = joined.state
        if inner.complete:
            moves = asked.scope == "row" and bool(joined.unstable)
            if moves and clause not in _VALUES:
                state.lower(Level.RETURNS)
            return moves
        if clause not in _VALUES:
            state.complete = False
        before = (state.level, len(state.reasons))
        moves = self._ask_cut(joined, clause, asked, inner)
        changed = moves or (state.level, len(state.reasons)) != before
        if not gives_value and (changed or not asked.positive):
            notes = self.unlisted if changed else self.suspects
            self._note(notes, asked.query, [_MOVING if asked.positive else _BLOCKING])
        return moves

    @staticmethod
    def _note(notes: dict[str, str], query: exp.Query, reasons: list[str]) -> None:
        for mark in _reads(query) if reasons else ():
            notes.setdefault(mark, reasons[0])

    def _ask_cut(self, joined: Joined, clause: str, asked: Asked, inner: State) -> bool:
        state = joined.state
        state.reasons += inner.reasons
        single = asked.kind in ("scalar", "all")
        steady = inner.level >= Level.KEYED and (single or not inner.ghost)
        if asked.kind in ("in", "any") and set(output_names(asked.query)) & inner.unstable:
            steady = False
        if (inner.level == Level.BROKEN) or (not steady and (single or not asked.positive)):
            state.broken("a subquery may have other rows when rows are left out")
            return True
        if single and asked.scope == "query":
            return False
        if asked.positive and steady and not single:
            return False
        if clause == "on":
            if state.level < Level.EXACT:
                state.broken("a subquery in a join condition may answer otherwise when rows are left out")
        elif clause in _VALUES:
            return state.level < Level.EXACT
        elif state.level < Level.EXACT:
            state.lower(Level.RETURNS)
        return False

    def _rows(self, node: exp.Select, joined: Joined, moving: set[str]) -> State:
        state = joined.state
        unstable = set()
        for projection in node.expressions:
            asks = "select" in moving and any(projection.find_all(exp.Select))
            if joined.uses_unstable(projection) or asks:
                unstable.add(projection.alias_or_name)
        if unstable:
            state.lower(Level.KEYED)
            state.complete = False
        state.unstable = frozenset(unstable)
        state.key = None if makes_rows(node) else self._row_key(node, joined)
        return state

    def _row_key(self, node: exp.Select, joined: Joined) -> frozenset[str] | None:
        shown = {
            (column.this.table, column.this.name): column.alias
            for column in node.expressions
            if isinstance(column, exp.Alias) and isinstance(column.this, exp.Column)
        }
        for alias, key in joined.keys.items():  # the key of one source, where that is enough
            start = {(alias, name) for name in key or ()}
            if (
                start
                and start <= shown.keys()
                and closure(start, set(), joined.keys, joined.pairs) >= joined.keys.keys()
            ):
                return frozenset(shown[name] for name in start)
        if closure(shown, set(), joined.keys, joined.pairs) >= joined.keys.keys() and joined.keys:
            return frozenset(shown.values())
        return None

    def _grouped(self, node: exp.Select, joined: Joined, moving: set[str]) -> State:
        keys, sets = grouping(node)
        core = joined.state
        complete = core.complete and not moving
        ghost = not complete and (not keys or (bool(sets) and frozenset() in sets))
        state = State(core.level, ghost, reasons=core.reasons, complete=complete)
        if core.level == Level.RETURNS:
            state.broken(
                "rows that a predicate, a window or an outer join kept out may come back under an aggregate"
            )
        elif core.level != Level.BROKEN and (
            "group" in moving or any(joined.uses_unstable(key) for key in keys)
        ):
            state.broken("groups by a value that may change when rows are left out")
        texts = {key.sql() for key in keys}
        pure = {one.alias_or_name for one in node.expressions if one.unalias().sql() in texts}
        if complete:
            pass
        elif not keys:
            state.level = Level.BROKEN if state.level == Level.BROKEN else Level.EXACT
        elif core.level < Level.EXACT or sets:
            state.lower(Level.KEYED)
            state.unstable = frozenset(one.alias_or_name for one in node.expressions) - pure
        having = node.args.get("having")
        if having is not None and state.level == Level.KEYED and aggregates(having):
            state.lower(Level.RETURNS)
        shown = {one.unalias().sql(): one.alias_or_name for one in node.expressions}
        if not sets and all(text in shown for text in texts):
            state.key = frozenset(shown[text] for text in texts)
        return state

    def _windows(self, node: exp.Select, joined: Joined, state: State, grouped: bool, held: bool) -> None:
        found = windows(node)
        for window in found:
            parts = [*(window.args.get("partition_by") or ()), *order_of(window, node)]
            if needs_total(window, node) and not is_ordered(parts, node, joined, grouped):
                reason = "the order of a window is not shown to be total by keys"
                self.choices.append(reason)
                self.unsure.setdefault(window.meta.get("window", ""), reason)
            if any(free_tables(one) and not self._is_whole(one) for one in window.find_all(exp.Select)):
                state.broken("a window reads a subquery, whose rows are listed for one row only")
        if not found or held:
            return
        names = [window.meta.get("window", "") for window in found]
        if state.level == Level.RETURNS:
            self._suspect(names, "rows that were kept out may come back into the window")
            state.broken("rows that were kept out may come back into a window")
        for window, name in zip(found, names, strict=True):
            parts = [*(window.args.get("partition_by") or ()), *order_of(window, node)]
            if any(
                joined.uses_unstable(part) or (grouped and state.level < Level.EXACT and aggregates(part))
                for part in parts
            ):
                self._suspect(
                    [name], "the window is ordered by a value that may change when rows are left out"
                )
                state.broken("a window is ordered by a value that may change when rows are left out")
        below = self._decided_below(node)
        if below:
            self.unlisted |= dict.fromkeys(below, _OTHERS) | self.unlisted
            state.broken("the rows in a window's frame were themselves decided by rows that are not listed")
        self._values_of_windows(node, state, found)

    def _values_of_windows(self, node: exp.Select, state: State, found: list[exp.Window]) -> None:
        whole = state.level == Level.EXACT and all(is_closed(window, node) for window in found)
        state.lower(Level.WHOLE if whole else Level.KEYED)
        if not whole:
            more = {one.alias_or_name for one in node.expressions if any(one.find_all(exp.Window))}
            state.unstable |= more
            self._suspect(
                (window.meta.get("window", "") for window in found),
                "the window may have other values in other rows when rows are left out",
            )
            if node.args.get("qualify"):
                state.lower(Level.RETURNS)

    def _suspect(self, keys: Iterable[str], reason: str) -> None:
        for key in keys:
            self.suspects.setdefault(key, reason)

    def _decided_below(self, select: exp.Select) -> list[str]:
        """The decisions, other ones for each row, about the rows that FROM and WHERE give."""
        found: list[str] = []
        for clause, asked in asked_of(select):
            if (
                asked.scope == "row"
                and clause in ("where", "on", "having")
                and not self._is_whole(asked.query)
            ):
                found += _reads(asked.query)
        for source in sources(select):
            for inner in source.find_all(exp.Select):
                if not self._is_whole(inner):
                    found += [window.meta.get("window", "") for window in windows(inner)]
                    found += [offset_key(inner)] if inner.args.get("offset") else []
                    found += self._decided_below(inner)
        return found

    def _cut(
        self, node: exp.Select, joined: Joined, state: State, grouped: bool, held: bool, moving: bool
    ) -> None:
        distinct = node.args.get("distinct")
        on = distinct.args.get("on") if distinct else None
        if not (on or any(node.args.get(name) for name in ("limit", "offset", "fetch"))):
            return
        order = node.args.get("order")
        parts = [one.this for one in order.expressions] if order else []
        if on is not None:
            parts = parts + list(on.expressions)
        self._note_choice(node, joined, parts, grouped)
        if _limit_is(node, "1"):
            state.key = frozenset()
        moves = moving or any(
            column.name in state.unstable for part in parts for column in part.find_all(exp.Column)
        )
        if held and state.level > Level.RETURNS and not moves:
            return
        if state.level < Level.EXACT:
            if state.level == Level.RETURNS or node.args.get("offset") or moves:
                self._suspect([offset_key(node)], "rows that were kept out may come back before the OFFSET")
                state.broken("rows that were kept out may come back before a LIMIT")
            state.lower(Level.RETURNS)
        elif node.args.get("offset"):
            state.lower(Level.WHOLE)
        below = self._decided_below(node) + [window.meta.get("window", "") for window in windows(node)]
        if node.args.get("offset") and below:
            self.unlisted |= dict.fromkeys(below, _OTHERS) | self.unlisted
            state.broken("the rows that an OFFSET skips were themselves decided by rows that are not listed")
        limit = node.args.get("limit")
        if limit is not None and any(one.args.get("percent") for one in limit.find_all(exp.LimitOptions)):
            state.broken("a LIMIT in percent depends on how many rows there are")

    def _note_choice(self, node: exp.Select, joined: Joined, parts: list[exp.Expr], grouped: bool) -> None:
        if makes_rows(node) or not is_ordered(parts, node, joined, grouped):
            reason = "the order of a LIMIT or DISTINCT ON is not shown to be total by keys"
            self.choices.append(reason)
            self.unsure.setdefault(offset_key(node), reason)


_VALUES = ("select", "order", "group")


def _limit_is(node: exp.Select, number: str) -> bool:
    limit = node.args.get("limit")
    return isinstance(limit, exp.Limit) and limit.expression is not None and limit.expression.sql() == number


def _reads(node: exp.Expr) -> list[str]:
    return [table.meta["read"] for table in node.find_all(exp.Table) if "read" in table.meta]
