"""The replay oracle: keep only the rows that an output row came from, run the query again, and ask for the row."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import duckdb
import psycopg2
import sqlglot
from sqlglot import exp

from batch_audit.lineage.records import ProvenanceQuery, provenance_query

Row = tuple[Any, ...]
ERRORS = (duckdb.Error, psycopg2.Error)
LABELS = frozenset(["exact", "superset", "unknown"])
# How a record is replayed, with the labels of filters whose occurrences stay whole: what `exact` promises.
Ways = Mapping[str, Set[str]]
WAYS: Ways = {"values cut": LABELS, "both cut": frozenset(["unknown"])}
STRICT: Ways = {"values cut": LABELS, "both cut": frozenset()}


class Postgres:
    """A PostgreSQL connection with the methods of DuckDB's that are used here."""

    def __init__(self, connection: Any) -> None:
        connection.autocommit = True
        self.cursor = connection.cursor()

    def execute(self, sql: str, values: Any = None) -> Any:
        self.cursor.execute(sql.replace("?", "%s") if values else sql, values)
        return self.cursor

    @property
    def description(self) -> Any:
        return self.cursor.description


@dataclass
class Replayed:
    """What was seen of one query. `failed`: replays without the row; `over`: rows traced that did not matter.

    Of a query with min, max, DISTINCT and the like, one row of several may do: `removed` and `over` leave them to
    `removed_alike` and `over_alike`.
    """

    label: str = ""
    reasons: tuple[str, ...] = ()
    records: int = 0
    failed: list[str] = field(default_factory=list)
    removed: int = 0
    over: int = 0
    removed_alike: int = 0
    over_alike: int = 0
    wrong_rows: str = ""


def steady(row: Row) -> Row:
    """A row whose floating-point numbers are compared to nine digits: sums depend on the order of rows."""
    return tuple(
        float(f"{value:.9g}")
        if isinstance(value, float)
        else repr(value)
        if isinstance(value, (list, dict))
        else value
        for value in row
    )


# Of several rows, one gives the value.
_ONE_OF_SEVERAL = (exp.Min, exp.Max, exp.AnyValue, exp.First, exp.LogicalOr, exp.LogicalAnd, exp.Distinct)


def one_may_do(sql: str) -> bool:
    """Whether a query has, outside its predicates, what one row of several may do for."""
    return any(
        node.find_ancestor(exp.Where, exp.Having, exp.Qualify, exp.Join) is None
        for node in sqlglot.parse_one(sql, read="duckdb").walk()
        if isinstance(node, _ONE_OF_SEVERAL)
        or (isinstance(node, exp.SetOperation) and node.args.get("distinct") is not False)
    )


class Replay:
    """One query on one connection (DuckDB or a cursor of PostgreSQL with the same methods)."""

    def __init__(self, connection: Any, sql: str, found: ProvenanceQuery) -> None:
        self.connection, self.found = connection, found
        self.alike = one_may_do(found.replay_sql)
        self.original = [steady(row) for row in self.rows(sql)]
        self.width = len(connection.description)
        self.values = {name: one for name, one in found.sources.items() if one.role == "value"}
        self.traced: dict[Row, dict[str, set[Row]]] = {}
        base: Counter[Row] = Counter()
        places, columns = self.read(found.sql)
        for row, raw in places:
            base[row] += 1
            self._keep(self.traced.setdefault(row, {}), raw, columns, self.values)
        self.base = base
        self.every: dict[str, set[Row]] = {}
        self.per_row: dict[Row, dict[str, set[Row]]] = {}
        for one in found.filters:
            rows, columns = self.read(one.sql, with_base=one.scope == "row")
            for row, raw in rows:
                kept = self.every if one.scope == "query" else self.per_row.setdefault(row, {})
                self._keep(kept, raw, columns, one.sources)

    def rows(self, sql: str) -> list[Row]:
        return self.connection.execute(sql).fetchall()

    def read(self, sql: str, with_base: bool = True) -> tuple[list[tuple[Row, Row]], dict[str, int]]:
        raw = self.rows(sql)
        names = {column[0]: place for place, column in enumerate(self.connection.description)}
        width = self.width if with_base else 0
        return [(steady(row[:width]), row) for row in raw], names

    @staticmethod
    def _keep(
        kept: dict[str, set[Row]], raw: Row, columns: Mapping[str, int], sources: Mapping[str, Any]
    ) -> None:
        for name, source in sources.items():
            key = tuple(raw[columns[output]] for output in source.outputs)
            if any(part is not None for part in key):
                kept.setdefault(name, set()).add(key)

    def wrong_rows(self) -> str:
        """Why the columns of the original are not its rows, each at least as often."""
        original = Counter(self.original)
        if set(original) != set(self.base):
            extra, lost = set(self.base) - set(original), set(original) - set(self.base)
            return f"{len(extra)} rows too many, {len(lost)} missing: {list(extra)[:2]} {list(lost)[:2]}"
        if any(self.base[row] < count for row, count in original.items()):
            return "rows are missing"
        return ""

    def slots(self, row: Row, uncut: Set[str], without: tuple[str, Row] | None = None) -> None:
        """Fill the slots: the occurrences of some labels of filters whole, the others cut to what the row came from."""
        deciding = {name for one in self.found.filters if one.label in uncut for name in one.sources}
        for name, source in self.found.sources.items():
            whole = name in deciding
            kept = set(self.traced[row].get(name, set()))
            kept |= self.every.get(name, set()) | self.per_row.get(row, {}).get(name, set())
            if without is not None and without[0] == name:
                kept -= {without[1]}
            self._fill(source, None if whole else kept)
            if whole and without is not None and without[0] == name:
                same = " and ".join(f'"{key}" = ?' for key in source.keys)
                self.connection.execute(f'delete from "{source.slot}" where {same}', list(without[1]))

    def _fill(self, source: Any, kept: set[Row] | None) -> None:
        table, slot = source.relation, f'"{source.slot}"'
        self.connection.execute(f"drop table if exists {slot}")
        if kept is None:
            self.connection.execute(f"create temp table {slot} as select * from {table}")
            return
        self.connection.execute(f"create temp table {slot} as select * from {table} where false")
        if kept:
            keys = ", ".join(f'"{key}"' for key in source.keys)
            marks = ", ".join(f"({', '.join('?' for _ in key)})" for key in kept)
            values = [part for key in kept for part in key]
            self.connection.execute(
                f"insert into {slot} select * from {table} where ({keys}) in (values {marks})", values
            )

    def comes_back(self, row: Row) -> bool:
        return row in {steady(found) for found in self.rows(self.found.replay_sql)}

    def comes_back_unoptimized(self, row: Row) -> bool:
        """Whether only the engine's optimizer lost the row (DuckDB 2.0.0 does, for an outer join with no rows)."""
        if isinstance(self.connection, Postgres):
            return False
        self.connection.execute("pragma disable_optimizer")
        try:
            return self.comes_back(row)
        finally:
            self.connection.execute("pragma enable_optimizer")

    def check(self, seen: Replayed, most: int, removals: int = 0, ways: Ways = WAYS) -> None:
        """Replay up to `most` records in each of the ways; remove up to `removals` traced rows of each."""
        seen.wrong_rows = self.wrong_rows()
        if seen.wrong_rows:
            return
        for row in list(self.traced)[:most]:
            seen.records += 1
            for way, uncut in ways.items():
                self.slots(row, uncut)
                try:
                    back = self.comes_back(row) or self.comes_back_unoptimized(row)
                except ERRORS as error:
                    seen.failed.append(f"{way}: {row}: {error}")
                    continue
                if not back:
                    seen.failed.append(f"{way}: {row}")
            self._remove(seen, row, removals)

    def _remove(self, seen: Replayed, row: Row, removals: int) -> None:
        traced = [
            (name, key) for name in self.values for key in sorted(self.traced[row].get(name, set()), key=repr)
        ]
        apart = max(1, len(traced) // removals) if removals else 1
        for name, key in traced[::apart][:removals]:
            self.slots(row, LABELS, (name, key))
            try:
                over = self.comes_back(row)
            except ERRORS:
                over = False
            if self.alike:
                seen.removed_alike += 1
                seen.over_alike += over
            else:
                seen.removed += 1
                seen.over += over


def replay(
    connection: Any,
    sql: str,
    schema: Mapping[str, Any],
    keys: Mapping[str, Any],
    most: int = 5,
    removals: int = 0,
) -> Replayed:
    """Trace a query and replay some of its records."""
    found = provenance_query(sql, dialect="duckdb", schema=schema, keys=keys)
    seen = Replayed(found.label, found.reasons)
    if found.label != "unknown" and found.sql is not None:
        Replay(connection, sql, found).check(seen, most, removals)
    return seen
