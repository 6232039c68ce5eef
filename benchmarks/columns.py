"""Column lineage of a generated project: models per second, memory, edges and failures, beside others.

Cold: every model is parsed and read once, in one process on one core. sqllineage comes in an environment of
its own, when the registry gives it; sqlglot's own `lineage` is asked for each output column of a sample.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.lineage_project import Model, project

SAMPLE = 50  # models that the slower ones are asked for
_SQLLINEAGE = """
import json, sys, time
from sqllineage.runner import LineageRunner
models = json.load(open(sys.argv[1]))
start, edges, failed = time.process_time(), 0, 0
for name, sql in models:
    try:
        runner = LineageRunner(f"insert into {name} {sql}", dialect="duckdb")
        edges += len(runner.get_column_lineage())
    except Exception:
        failed += 1
print(json.dumps([time.process_time() - start, edges, failed]))
"""


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """Figures of a cold run; the engine has no part in it, so only DuckDB's turn measures."""
    if engine != "duckdb":
        return []
    figures: list[Figure] = []
    for count in (1000, 5000):
        figures += _ours(count, rounds)
    models, schema = project(1000)
    sample = models[-SAMPLE:]
    figures += _sqlglot(sample, schema)
    figures += _sqllineage(sample, folder)
    return figures


def _ours(count: int, rounds: int) -> list[Figure]:
    from batch_audit.lineage import Schema, column_lineage

    models, columns = project(count)
    schema = Schema(columns)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    speeds, edges, gaps = [], 0, 0
    for _ in range(rounds):
        start, edges, gaps = time.process_time(), 0, 0
        for model in models:
            found = column_lineage(model.sql, dialect="duckdb", schema=schema, target=model.name)
            edges, gaps = edges + len(found.edges), gaps + bool(found.unknown)
        speeds.append(len(models) / (time.process_time() - start))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    name = f"{count} models, batch_audit"
    budget = 350 if _compiled() else 150
    return [
        Figure("sql", f"{name}: speed", "models/s", tuple(speeds), budget, at_least=True),
        Figure("sql", f"{name}: memory added", "MB", (grown,)),
        Figure("sql", f"{name}: edges", "", (edges,)),
        Figure("sql", f"{name}: models with a gap", "", (gaps,), 0),
    ]


def _compiled() -> bool:
    import sqlglot.parser

    return not str(sqlglot.parser.__file__).endswith(".py")


def _timed(models: list[Model], ask: Callable[[Model], int]) -> tuple[float, int, int]:
    """Models per second, edges, failures."""
    start, edges, failed = time.process_time(), 0, 0
    for model in models:
        try:
            edges += ask(model)
        except Exception:
            failed += 1
    return len(models) / (time.process_time() - start), edges, failed


def _sqlglot(models: list[Model], schema: dict[str, list[str]]) -> list[Figure]:
    from sqlglot.lineage import lineage

    nested: dict[str, dict[str, dict[str, str]]] = {}
    for name, columns in schema.items():
        parent, table = name.split(".")
        nested.setdefault(parent, {})[table] = dict.fromkeys(columns, "text")

    def ask(model: Model) -> int:
        return sum(
            sum(
                1
                for node in lineage(column, model.sql, schema=nested, dialect="duckdb").walk()
                if not node.downstream
            )
            for column in schema[model.name]
        )

    return _figures("sqlglot.lineage per column", len(models), _timed(models, ask))


def _sqllineage(models: list[Model], folder: Path) -> list[Figure]:
    home = folder / "sqllineage"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    if subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "sqllineage"], capture_output=True
    ).returncode:
        sys.stderr.write("sqllineage: not installed, left out\n")
        return []
    (home / "models.json").write_text(json.dumps(models))
    done = subprocess.run(
        [python, "-c", _SQLLINEAGE, home / "models.json"], capture_output=True, text=True, check=True
    )
    spent, edges, failed = json.loads(done.stdout.splitlines()[-1])
    return _figures("sqllineage", len(models), (len(models) / spent, edges, failed))


def _figures(name: str, count: int, found: tuple[float, int, int]) -> list[Figure]:
    speed, edges, failed = found
    return [
        Figure("sql", f"{count} models, {name}: speed", "models/s", (speed,)),
        Figure("sql", f"{count} models, {name}: edges", "", (edges,)),
        Figure("sql", f"{count} models, {name}: models failed", "", (failed,)),
    ]
