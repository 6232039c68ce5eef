"""What capturing an incremental run costs while the table grows and the delta stays: 10 000 rows of it."""

import json
from pathlib import Path

from benchmarks import orders
from benchmarks.engines import database
from benchmarks.figures import Figure, ratio, seconds
from benchmarks.installed import make_project
from benchmarks.process import DBT, timed
from tests.support.project import Project
from tests.support.target import Target

DELTA = 10_000
STRATEGIES = {"delete+insert": "replaced", "merge": "merged"}
FIRST = "first"
BUDGET = 1.3

_META = "meta={'audit_capture': 'changes', 'audit_key': 'order_id'}"


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """Two sizes of the same table, `rows` and ten times as many; in each round one dbt process runs all models."""
    figures: list[Figure] = []
    for size in (rows, rows * 10):
        with database(engine, folder, f"incremental_{size}") as target:
            figures += _measure(engine, target, folder / f"incremental_{engine}_{size}", rounds, size)
    return figures


def _measure(engine: str, target: Target, root: Path, rounds: int, size: int) -> list[Figure]:
    times: dict[str, list[float]] = {}
    _show_delta(target, size, 0)
    project = make_project(root, target, _files(engine, size), {}, package=True)
    _execution_times(project)
    for number in range(1, rounds + 1):
        _show_delta(target, size, number)
        for name, seconds_taken in _execution_times(project).items():
            times.setdefault(name, []).append(seconds_taken)
    figures = []
    for strategy, name in STRATEGIES.items():
        plain, captured = times[f"plain_{name}"], times[f"captured_{name}"]
        what = f"{size:,} rows, {strategy}"
        figures += [
            seconds(engine, f"{what}: plain", plain),
            seconds(engine, f"{what}: captured", captured),
            ratio(engine, f"{what}: captured / plain", captured, plain, BUDGET),
        ]
    return figures


def _files(engine: str, size: int) -> dict[str, str]:
    columns = orders.COLUMNS.format(status="'open'")
    select = (
        "{% if is_incremental() %} select * from raw.delta {% else %}"
        f" select {columns} from generate_series(1, {size}) as t(i) {{% endif %}}"
    )
    # Without an index each engine finds the rows by reading the table; nobody keeps a large Postgres table that way.
    index = ", indexes=[{'columns': ['order_id'], 'unique': true}]" if engine == "postgres" else ""
    files = {f"models/{FIRST}.sql": f"{{{{ config(materialized='table', {_META}) }}}} select 1 as order_id"}
    for strategy, name in STRATEGIES.items():
        for kind, meta in (("plain", ""), ("captured", f", {_META}")):
            files[f"models/{kind}_{name}.sql"] = (
                f"{{{{ config(materialized='incremental', incremental_strategy='{strategy}', unique_key='order_id'"
                f"{index}{meta}) }}}}\n-- depends_on: {{{{ ref('{FIRST}') }}}}\n{select}"
            )
    return files


def _show_delta(target: Target, size: int, number: int) -> None:
    """A tenth of the delta is new, the others spread over the table; each round gives them another status."""
    columns = orders.COLUMNS.format(status=f"'round {number}'")
    step, new = size // (DELTA * 9 // 10), DELTA // 10
    with target.connected() as connection:
        cursor = connection.cursor()
        cursor.execute("create schema if not exists raw")
        cursor.execute("drop table if exists raw.delta")
        cursor.execute(
            f"create table raw.delta as select {columns} from (select i * {step} as i"
            f" from generate_series(1, {DELTA - new}) as t(i) union all select i from generate_series("
            f"{size + number * new + 1}, {size + (number + 1) * new}) as t(i)) as t"
        )


def _execution_times(project: Project) -> dict[str, float]:
    """Seconds that dbt says each node took: from its start to its commit, hooks included."""
    timed(project, [*DBT, "run", "--threads", "1"])
    results = json.loads(project.read("target/run_results.json"))["results"]
    return {result["unique_id"].split(".")[-1]: result["execution_time"] for result in results}
