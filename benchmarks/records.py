"""Record lineage on DuckDB: TPC-H rewritten beside the original, and the sources of one record among 10 million rows.

TPC-H runs in an environment of its own (duckdb 1.5.5 and its extension), when the registry gives it. `with filters` is
the rewritten query and the queries of its filters together.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

SCALE = 0.1
ROOT = Path(__file__).parents[1]
PACKAGES = ["duckdb==1.5.5", "duckdb-extension-tpch==1.5.5", "psycopg2-binary"]
ONE_RECORD = "select who, sum(amount) as total from orders group by who"


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """The figures of DuckDB; PostgreSQL's turn measures nothing yet."""
    if engine != "duckdb":
        return []
    return _tpch(folder, rounds) + _one_record(rounds)


def _tpch(folder: Path, rounds: int) -> list[Figure]:
    import sqlglot

    home = folder / "tpch"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    wanted = [*PACKAGES, f"sqlglot=={sqlglot.__version__}"]
    if subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], capture_output=True).returncode:
        sys.stderr.write("TPC-H: duckdb's extension not installed, left out\n")
        return []
    path = os.pathsep.join([str(ROOT), str(ROOT / "python")])
    done = subprocess.run(
        [python, "-m", "benchmarks.records", str(rounds)],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    found = json.loads(done.stdout)
    name = f"TPC-H sf {SCALE}"
    return [
        Figure("duckdb", f"{name}: median query", "x", (statistics.median(found["traced"]),), 2),
        Figure("duckdb", f"{name}: worst query", "x", (max(found["traced"]),), 7),
        Figure("duckdb", f"{name}: median query with filters", "x", (statistics.median(found["all"]),), 3),
        Figure("duckdb", f"{name}: worst query with filters", "x", (max(found["all"]),), 10),
    ]


def _one_record(rounds: int) -> list[Figure]:
    import duckdb

    from batch_audit.lineage.records import provenance_query

    schema = {"orders": {"id": "bigint", "who": "bigint", "amount": "bigint"}}
    found = provenance_query(
        ONE_RECORD, dialect="duckdb", schema=schema, keys={"orders": ["id"]}, where={"who": "$who"}
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table orders as select i as id, i % 1000000 as who, i % 977 as amount from range(10000000) r(i)"
        )
        plain = f"select * from ({ONE_RECORD}) where who = $who"
        spent = {
            name: tuple(
                1000 * _seconds(lambda sql=sql: connection.execute(sql, {"who": 4242}).fetchall())
                for _ in range(rounds)
            )
            for name, sql in (("looked up", plain), ("traced", found.sql or ""))
        }
    name = "one record of 10 M rows"
    return [
        Figure("duckdb", f"{name}, looked up", "ms", spent["looked up"], 20),
        Figure("duckdb", f"{name}, traced", "ms", spent["traced"], 50),
    ]


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _ratios(rounds: int) -> dict[str, list[float]]:
    """For each query of TPC-H, the best of some rounds as a multiple of the original's best."""
    from batch_audit.lineage.records import provenance_query
    from tests.lineage_oracle.records_tpc import connect

    connection, schema, keys = connect("h", SCALE)

    def best(sql: str) -> float:
        made = f"create or replace temp table made as select * from ({sql})"
        return min(_seconds(lambda: connection.execute(made)) for _ in range(rounds))

    ratios: dict[str, list[float]] = {"traced": [], "all": []}
    for (sql,) in connection.execute("select query from tpch_queries() order by query_nr").fetchall():
        plain = sql.rstrip().rstrip(";")
        found = provenance_query(plain, dialect="duckdb", schema=schema, keys=keys)
        original, traced = best(plain), best(found.sql or "")
        ratios["traced"].append(traced / original)
        ratios["all"].append((traced + sum(best(one.sql) for one in found.filters)) / original)
    return ratios


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_ratios(int(sys.argv[1]))))
