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
from benchmarks.lineage_project import Model, artifacts, project

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
    figures += _colibri(models, schema, folder)
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
    from sqlglot.lineage import Node, lineage

    nested: dict[str, dict[str, dict[str, str]]] = {}
    for name, columns in schema.items():
        parent, table = name.split(".")
        nested.setdefault(parent, {})[table] = dict.fromkeys(columns, "text")

    def leaves(node: Node) -> int:
        return sum(1 for item in node.walk() if not item.downstream)

    def by_column(model: Model) -> int:
        return sum(
            leaves(lineage(column, model.sql, schema=nested, dialect="duckdb"))
            for column in schema[model.name]
        )

    def at_once(model: Model) -> int:
        return sum(map(leaves, lineage(None, model.sql, schema=nested, dialect="duckdb").values()))

    return [
        *_figures("sqlglot.lineage per column", len(models), _timed(models, by_column)),
        *_figures("sqlglot.lineage(None)", len(models), _timed(models, at_once)),
    ]


def _sqllineage(models: list[Model], folder: Path) -> list[Figure]:
    python = _installed("sqllineage", folder)
    if python is None:
        return []
    given = folder / "models.json"
    given.write_text(json.dumps(models))
    done = subprocess.run([python, "-c", _SQLLINEAGE, given], capture_output=True, text=True, check=True)
    spent, edges, failed = json.loads(done.stdout.splitlines()[-1])
    return _figures("sqllineage", len(models), (len(models) / spent, edges, failed))


def _colibri(models: list[Model], schema: dict[str, list[str]], folder: Path) -> list[Figure]:
    """dbt-colibri as its users run it: on a manifest and a catalog, its report included."""
    python = _installed("dbt-colibri", folder)
    if python is None:
        return []
    manifest, catalog = artifacts(models, schema)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "catalog.json").write_text(json.dumps(catalog))
    paths = ["--manifest", folder / "manifest.json", "--catalog", folder / "catalog.json"]
    command = [python.parent / "colibri", "generate", *paths, "--output-dir", folder / "dist", "--light"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(
        [*command, "--disable-telemetry"],
        capture_output=True,
        check=True,
        env={"DO_NOT_TRACK": "1", "PATH": "/usr/bin"},
    )
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    found = json.loads((folder / "dist" / "colibri-manifest.json").read_text())["lineage"]["edges"]
    told = [edge for edge in found if edge.get("sourceColumn")]
    reached = {edge["target"] for edge in told}
    failed = sum(f"model.p.{model.name.split('.')[1]}" not in reached for model in models)
    return _figures("dbt-colibri", len(models), (len(models) / spent, len(told), failed))


def _installed(package: str, folder: Path) -> Path | None:
    """The Python of an environment that has the package alone; None when the registry does not give it."""
    home = folder / f"env-{package}"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", package], capture_output=True, check=False
    )
    if done.returncode:
        sys.stderr.write(f"{package}: not installed, left out\n")
        return None
    return python


def _figures(name: str, count: int, found: tuple[float, int, int]) -> list[Figure]:
    speed, edges, failed = found
    return [
        Figure("sql", f"{count} models, {name}: speed", "models/s", (speed,)),
        Figure("sql", f"{count} models, {name}: edges", "", (edges,)),
        Figure("sql", f"{count} models, {name}: models failed", "", (failed,)),
    ]
