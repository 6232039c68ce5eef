"""What sealing and verifying cost, beside one plain SHA-256 pass over the same rows in the same engine."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from batch_audit.ledger.tables import EVENT, PAYLOAD, Table
from batch_audit.ledger.verify import verify_store
from batch_audit.warehouses import Warehouse
from benchmarks import orders
from benchmarks.capture import BASELINE, FILES
from benchmarks.engines import database
from benchmarks.figures import Figure, ratio, seconds
from benchmarks.installed import make_project
from benchmarks.process import DBT, timed
from tests.support.project import Project

BUDGET = {"duckdb": 2.0, "postgres": 3.0}
# One store is smaller, to show whether the cost grows with the rows alone.
SHARES = (5, 1)
_PRINT_SEAL = """
{% macro print_seal(segment) %}{% do print(batch_audit.seal_sql(segment)) %}{% endmacro %}
"""


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """Stores of a fifth of `rows` and of `rows` events, each written by one build with a stored baseline."""
    return [figure for share in SHARES for figure in _one_store(engine, folder, rounds, rows // share)]


def _one_store(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    times: dict[str, list[float]] = {"events hashed": [], "sealed": [], "all hashed": [], "verified": []}
    with database(engine, folder, f"ledger_{rows}") as target:
        orders.load(target, rows)
        files = FILES | {"macros/print_seal.sql": _PRINT_SEAL}
        project = make_project(folder / f"ledger_{engine}_{rows}", target, files, {}, package=True)
        timed(project, [*DBT, "build", "--select", BASELINE])
        seal = _seal_sql(project)
        warehouse = project.warehouse()
        try:
            for _ in range(rounds):
                times["events hashed"].append(_timed(lambda: _hash(warehouse, EVENT)))
                times["sealed"].append(_timed(lambda: _seal(warehouse, seal)))
                times["all hashed"].append(
                    _timed(lambda: (_hash(warehouse, EVENT), _hash(warehouse, PAYLOAD)))
                )
                times["verified"].append(_timed(lambda: _verify(warehouse)))
        finally:
            warehouse.close()
    return _figures(engine, f"{rows:,} records: ", times)


def _figures(engine: str, of: str, times: dict[str, list[float]]) -> list[Figure]:
    budget = BUDGET[engine]
    return [
        seconds(engine, f"{of}events hashed once", times["events hashed"]),
        seconds(engine, f"{of}sealed", times["sealed"]),
        seconds(engine, f"{of}events and payloads hashed once", times["all hashed"]),
        seconds(engine, f"{of}verified", times["verified"]),
        ratio(engine, f"{of}sealed / events hashed", times["sealed"], times["events hashed"], budget),
        ratio(engine, f"{of}verified / all hashed", times["verified"], times["all hashed"], budget),
    ]


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _hash(warehouse: Warehouse, table: Table) -> None:
    text = f"concat_ws('|', {', '.join(table.columns)})"
    warehouse.query(f"select max({warehouse.sha256_hex(text)}) from {warehouse.table(table.name)}")


def _seal_sql(project: Project) -> str:
    """What the package seals the one segment of the store with."""
    segment = project.audit("select segment from {audit}.audit_segment")[0]["segment"]
    arguments = ["--quiet", "run-operation", "print_seal", "--args", json.dumps({"segment": segment})]
    return project.dbt(*arguments).stdout


def _seal(warehouse: Warehouse, sql: str) -> None:
    """Seal the sealed segment again, on a store without blocks, and take it back."""
    blocks = warehouse.table("audit_block")
    # DuckDB's keys remember what the same transaction deleted, so the blocks go to an empty table of the same shape.
    warehouse.execute(
        f"begin; create temporary table batch_audit_sealed as select * from {blocks} where false"
    )
    try:
        into = sql.index("insert into")
        warehouse.execute(sql[:into] + _redirected(sql[into:]))
    finally:
        warehouse.execute("rollback")


def _redirected(sql: str) -> str:
    """The insert, into the temporary table instead of the store's."""
    table = sql[: sql.index("(")].removeprefix("insert into").strip()
    return sql.replace(table, "batch_audit_sealed")


def _verify(warehouse: Warehouse) -> None:
    result = verify_store(warehouse)
    assert result.ok, result
