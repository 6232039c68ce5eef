"""The oracle: change one input column on DuckDB, see which output columns change, and ask for an edge for each."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from batch_audit.lineage import ColumnLineage, column_lineage

# What is done to the values of a column, as SQL over the column's quoted name.
Rows = list[tuple[Any, ...]]


@dataclass
class Seen:
    """Changes that no edge explains, and edges between columns that were seen or not."""

    missing: list[str] = field(default_factory=list)
    shown: set[tuple[str, str, str]] = field(default_factory=set)
    claimed: set[tuple[str, str, str]] = field(default_factory=set)


def outputs_multisets(rows: Rows, width: int) -> list[Counter[str]]:
    return [Counter(repr(row[place]) for row in rows) for place in range(width)]


def explained(lineage: ColumnLineage, table: str, column: str, output: int, names: list[str]) -> bool:
    """Whether an edge from this input column leads to this output, or to the rows as a whole."""
    key = (table.lower(), column.lower())
    return any(
        (edge.source.lower(), edge.source_column.lower().split(".")[0]) == key
        and (edge.target_column is None or edge.target_column.lower() == names[output])
        for edge in lineage.edges
    )


def outputs_of(lineage: ColumnLineage) -> list[str]:
    """The names of the outputs, as the engine gives them."""
    return [name.lower() for name in lineage.columns[""]]


def check(
    connection: Any,
    sql: str,
    tables: Mapping[str, list[str]],
    variants: Iterable[tuple[str, str, str]],
    seen: Seen,
    without: str = "",
) -> None:
    """Run a query over the tables, then over each variant: (table, column, statement that changes it).

    `without` leaves out the edges of a subtype, to see that the oracle misses them.
    """
    lineage = column_lineage(sql, dialect="duckdb", schema=tables)
    cursor = connection.execute(sql)
    width, before = len(cursor.description), cursor.fetchall()
    usual = outputs_multisets(before, width)
    # Outputs are compared by position: names such as `max(a)` differ between engines.
    names = [str(place) for place in range(width)]
    found = positions(sql, tables, width)
    by_position = replace(found, edges=tuple(edge for edge in found.edges if edge.subtype != without))
    for table, column, change in variants:
        seen.claimed |= {
            (sql, f"{table}.{column}", n)
            for n in names
            if explained(by_position, table, column, int(n), names)
        }
        connection.execute("begin")
        try:
            connection.execute(change)
            after = connection.execute(sql).fetchall()
        except Exception:  # a changed value may make the query fail: then nothing is seen
            after = before
        finally:
            connection.execute("rollback")
        for place, (old, new) in enumerate(zip(usual, outputs_multisets(after, width), strict=True)):
            if old == new:
                continue
            seen.shown.add((sql, f"{table}.{column}", str(place)))
            if not explained(by_position, table, column, place, names):
                reasons = [gap.reason for gap in lineage.unknown]
                seen.missing.append(f"{table}.{column} changes output {place} of: {sql} (gaps: {reasons})")


def positions(sql: str, tables: Mapping[str, list[str]], width: int) -> ColumnLineage:
    """The lineage with outputs named by their position, by way of a view's column list."""
    columns = ", ".join(f'"{place}"' for place in range(width))
    found = column_lineage(
        f"create view the_target ({columns}) as {sql.rstrip().rstrip(';')}", dialect="duckdb", schema=tables
    )
    assert all("could not be" not in gap.reason for gap in found.unknown), [
        gap.reason for gap in found.unknown
    ]
    return found


def variants(table: str, column: str, seed: int) -> Iterator[tuple[str, str, str]]:
    """Shuffle, blank out, move and mix the values of a column."""
    name, mix = f'"{column}"', random.Random(seed).randrange(1, 97)  # noqa: S311 (no secret)
    yield table, column, f"update {table} set {name} = null"
    yield table, column, f"update {table} set {name} = {name} + {mix}"
    yield table, column, f"update {table} set {name} = (({name} * {mix}) % 7) - 3"
    yield (
        table,
        column,
        f"update {table} set {name} = case when rowid % 2 = {mix % 2} then {name} else 5 - {name} end",
    )
    yield (
        table,
        column,
        (
            f"update {table} set {name} = other.x from (select lead({name}, {mix % 5 + 1}) over (order by rowid) as x,"
            f" rowid as r from {table}) as other where other.r = {table}.rowid"
        ),
    )
