"""Run in an environment of its own (duckdb 1.5.5 and its TPC extensions): `python -m tests.lineage_oracle.tpc h|ds`.

Prints JSON: queries run, changes seen, and those that no edge explains. Nothing of the queries or data is kept.
"""

import json
import random
import sys
import threading
import time
from importlib.resources import files
from typing import Any

import duckdb

from tests.lineage_oracle.perturb import Seen, explained, outputs_multisets, positions

# A changed value can turn a join into a product: such a change is given up after this many seconds.
SLOWEST = 2.0
# dsdgen does not come back for much smaller scales than this.
SCALE = {"h": 0.005, "ds": 0.01}


def main(kind: str, seconds: float) -> dict[str, Any]:
    """Perturb each column that a query mentions, within a time for each query."""
    connection = duckdb.connect(config={"threads": 1})
    extension = (
        files(f"duckdb_extension_tpc{kind}")
        / "extensions"
        / f"v{duckdb.__version__}"
        / f"tpc{kind}.duckdb_extension"
    )
    connection.execute(f"load '{extension}'")
    connection.execute(f"call {'dbgen' if kind == 'h' else 'dsdgen'}(sf={SCALE[kind]})")
    tables: dict[str, list[str]] = {}
    types: dict[tuple[str, str], str] = {}
    for table, column, form in connection.execute(
        "select table_name, column_name, data_type from information_schema.columns"
        " order by table_name, ordinal_position"
    ).fetchall():
        tables.setdefault(table, []).append(column)
        types[table, column] = form
    seen, ran, gaps = Seen(), 0, []
    for number, sql in connection.execute(f"select query_nr, query from tpc{kind}_queries()").fetchall():
        ran += 1
        gaps += _query(connection, number, sql, (tables, types), seen, seconds)
    return {
        "queries": ran,
        "shown": len(seen.shown),
        "claimed": len(seen.claimed),
        "missing": seen.missing,
        "gaps": gaps,
    }


def _query(
    connection: Any, number: int, sql: str, known: tuple[Any, Any], seen: Seen, seconds: float
) -> list[str]:
    tables, types = known
    cursor = connection.execute(sql)
    width = len(cursor.description)
    usual = outputs_multisets(cursor.fetchall(), width)
    lineage = positions(sql, tables, width)
    names = [str(place) for place in range(width)]
    mentioned = [key for key in types if key[1] in sql.lower() and key[0] in sql.lower()]
    rng = random.Random(number)  # noqa: S311 (no secret)
    rng.shuffle(mentioned)
    end = time.monotonic() + seconds
    for table, column in mentioned:
        for change in _changes(table, column, types[table, column]):
            if time.monotonic() > end:
                break
            claims = {
                (str(number), f"{table}.{column}", n)
                for n in names
                if explained(lineage, table, column, int(n), names)
            }
            seen.claimed |= claims
            for place in _changed(connection, sql, change, usual):
                seen.shown.add((str(number), f"{table}.{column}", str(place)))
                if (str(number), f"{table}.{column}", str(place)) not in claims:
                    seen.missing.append(f"query {number}: {table}.{column} changes output {place}")
    return [f"query {number}: {gap.reason}" for gap in lineage.unknown]


def _changed(connection: Any, sql: str, change: str, usual: list[Any]) -> list[int]:
    """The outputs that differ after a change, which is undone."""
    connection.execute("begin")
    watch = threading.Timer(SLOWEST, connection.interrupt)
    watch.start()
    try:
        connection.execute(change)
        after = connection.execute(sql).fetchall()
    except duckdb.Error:
        return []
    finally:
        watch.cancel()
        connection.execute("rollback")
    return [place for place, old in enumerate(usual) if old != outputs_multisets(after, len(usual))[place]]


def _changes(table: str, column: str, form: str) -> list[str]:
    shuffled = (
        f"create or replace temp table shuffled as select rowid as r, lead({column}, 1, {column}) over "
        f"(order by hash(rowid)) as x from {table};"
        f"update {table} set {column} = x from shuffled where r = {table}.rowid"
    )
    other = f"{column} || 'x'" if form == "VARCHAR" else f"{column} + 1"
    return [shuffled, f"update {table} set {column} = {other}", f"update {table} set {column} = null"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], float(sys.argv[2]))))
