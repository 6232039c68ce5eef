"""Record lineage: TPC-H rewritten beside the original, and the sources of one record among 10 million rows.

TPC-H's data and queries, and its run on DuckDB, come from an environment of its own (duckdb 1.5.5 and its extension),
when the registry gives it. `with filters` is the rewritten query and the queries of its filters together.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

SCALE = 0.1
ROOT = Path(__file__).parents[1]
PACKAGES = ["duckdb==1.5.5", "duckdb-extension-tpch==1.5.5", "psycopg2-binary"]
ONE_RECORD = "select who, sum(amount) as total from orders group by who"


# What PostgreSQL's own queries need to end in seconds: 17 and 20 look up lines by their part.
INDEXES = ["lineitem (l_partkey, l_suppkey)", "orders (o_custkey)", "partsupp (ps_suppkey)"]
SETTINGS = [
    "jit = off",
    "max_parallel_workers_per_gather = 0",
    "work_mem = '64MB'",
    "statement_timeout = '120s'",
]
BUDGETS = {"duckdb": (2, 7, 3, 10), "postgres": (2.5, 6, None, None)}


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """TPC-H on one engine; one record on DuckDB."""
    python = _environment(folder)
    figures = _tpch(engine, python, folder, rounds) if python else []
    return figures + (_one_record(rounds) if engine == "duckdb" else [])


def _environment(folder: Path) -> Path | None:
    """The Python that has TPC-H; None where the registry does not give it."""
    import sqlglot

    home = folder / "tpch"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    wanted = [*PACKAGES, f"sqlglot=={sqlglot.__version__}"]
    if subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], capture_output=True).returncode:
        sys.stderr.write("TPC-H: duckdb's extension not installed, left out\n")
        return None
    return python


def _run(python: Path, *arguments: str) -> Any:
    path = os.pathsep.join([str(ROOT), str(ROOT / "python")])
    done = subprocess.run(
        [python, "-m", *arguments], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    return json.loads(done.stdout)


def _tpch(engine: str, python: Path, folder: Path, rounds: int) -> list[Figure]:
    if engine == "duckdb":
        found = _run(python, "benchmarks.records", str(rounds))
    else:
        found = _on_postgres(
            _run(python, "tests.lineage_oracle.records_tpc", "dump", "h", str(folder), str(SCALE)),
            folder,
            rounds,
        )
    name = f"TPC-H sf {SCALE}"
    seen = [
        (f"{name}: {which} query{more}", pick(found[part]))
        for part, more in (("traced", ""), ("all", " with filters"))
        for which, pick in (("median", statistics.median), ("worst", max))
    ]
    return [
        Figure(engine, what, "x", (value,), budget)
        for (what, value), budget in zip(seen, BUDGETS[engine], strict=True)
    ]


def _on_postgres(data: dict[str, Any], folder: Path, rounds: int) -> dict[str, list[float]]:
    import psycopg2
    import sqlglot

    from tests.lineage_oracle.records_tpc import load
    from tests.support.postgres import fresh_database, server_url

    with fresh_database(server_url()) as parameters:
        connection = psycopg2.connect(**parameters)
        connection.autocommit = True
        cursor = connection.cursor()
        load(cursor, data, folder)
        for statement in [
            *(f"create index on {one}" for one in INDEXES),
            *(f"set {one}" for one in SETTINGS),
        ]:
            cursor.execute(statement)

        def run(sql: str) -> None:
            cursor.execute(f"create temp table made as {sql}")

        queries = [
            sqlglot.transpile(sql, read="duckdb", write="postgres")[0] for _, sql in sorted(data["queries"])
        ]
        found = _ratios(
            queries, "postgres", data["schema"], data["keys"], rounds, run,
            lambda: cursor.execute("drop table if exists made"),
        )  # fmt: skip
        connection.close()
    return found


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


def _ratios(
    queries: list[str],
    engine: str,
    schema: Mapping[str, Any],
    keys: Mapping[str, Any],
    rounds: int,
    run: Callable[[str], Any],
    forget: Callable[[], Any],
) -> dict[str, list[float]]:
    """For each query, the best of some rounds as a multiple of the original's best."""
    from batch_audit.lineage.records import provenance_query

    def best(sql: str) -> float:
        spent = []
        for _ in range(rounds):
            forget()
            spent.append(_seconds(lambda: run(sql)))
        return min(spent)

    ratios: dict[str, list[float]] = {"traced": [], "all": []}
    for number, sql in enumerate(queries, 1):
        found = provenance_query(sql, dialect=engine, schema=schema, keys=keys)
        assert found.sql and found.label != "unknown", (number, found.reasons)
        original, traced = best(sql), best(found.sql)
        deciding = [best(one.sql) for one in found.filters]
        ratios["traced"].append(traced / original)
        ratios["all"].append((traced + sum(deciding)) / original)
        parts = ", ".join(f"{one / original:.1f}" for one in [traced, *deciding])
        sys.stderr.write(f"{engine} query {number}: {1000 * original:.0f} ms, x {parts}\n")
    return ratios


def _on_duckdb(rounds: int) -> dict[str, list[float]]:
    from tests.lineage_oracle.records_tpc import connect

    connection, schema, keys = connect("h", SCALE)
    found = connection.execute("select query from tpch_queries() order by query_nr").fetchall()
    return _ratios(
        [sql.rstrip().rstrip(";") for (sql,) in found], "duckdb", schema, keys, rounds,
        lambda sql: connection.execute(f"create temp table made as select * from ({sql})"),
        lambda: connection.execute("drop table if exists made"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_on_duckdb(int(sys.argv[1]))))
