"""What capturing the changes of a wide table costs, beside its plain rebuild and a dbt `check` snapshot of it."""

import json
from pathlib import Path

from benchmarks import orders
from benchmarks.engines import database
from benchmarks.figures import Figure, ratio, seconds
from benchmarks.installed import make_project
from benchmarks.process import DBT, timed
from tests.support.project import Project
from tests.support.target import Target

PLAIN, CAPTURED, BASELINE, SNAPSHOT, FIRST = "plain", "captured", "baseline", "history", "first"
ADDED_BUDGET = {"duckdb": 0.8, "postgres": 1.2}
BASELINE_BUDGET = {"duckdb": 6.0, "postgres": 12.0}
BASELINE_ROUNDS = 2

_SELECT = "select * from raw.orders"
# The first captured model of a dbt process pays for compiling the macros; it is a table of one row here.
_AFTER_FIRST = f"-- depends_on: {{{{ ref('{FIRST}') }}}}\n"
_TABLE = "{{ config(materialized='table') }}\n" + _SELECT
_META = (
    "{{{{ config(materialized='table', meta={{'audit_capture': 'changes', 'audit_key': 'order_id'{}}}) }}}}\n"
)
FILES = {
    f"models/{PLAIN}.sql": _TABLE,
    f"models/{FIRST}.sql": _META.format("") + "select 1 as order_id",
    f"models/{CAPTURED}.sql": _META.format("") + _AFTER_FIRST + _SELECT,
    f"models/{BASELINE}.sql": _META.format(", 'audit_baseline': 'records'") + _AFTER_FIRST + _SELECT,
    f"snapshots/{SNAPSHOT}.sql": f"{{% snapshot {SNAPSHOT} %}}\n"
    "{{ config(strategy='check', unique_key='order_id', check_cols='all') }}\n"
    f"{_SELECT}\n{{% endsnapshot %}}",
}


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """In each round the view shows the other version, then one dbt process on one thread builds all of them."""
    times: dict[str, list[float]] = {PLAIN: [], CAPTURED: [], SNAPSHOT: [], FIRST: []}
    first: dict[str, list[float]] = {PLAIN: [], BASELINE: []}
    with database(engine, folder, "capture") as target:
        orders.load(target, rows)
        project = make_project(folder / f"capture_{engine}", target, FILES, {}, package=True)
        _execution_times(project, " ".join(times))
        for number in range(rounds):
            orders.show(target, 2 - number % 2)
            found = _execution_times(project, " ".join(times))
            for name, values in times.items():
                values.append(found[name])
        for _ in range(min(rounds, BASELINE_ROUNDS)):
            _drop(target)
            found = _execution_times(project, f"{PLAIN} {FIRST} {BASELINE}")
            for name, values in first.items():
                values.append(found[name])
    return _figures(engine, times, first)


def _figures(engine: str, times: dict[str, list[float]], first: dict[str, list[float]]) -> list[Figure]:
    plain = times[PLAIN]
    added = [captured - bare for captured, bare in zip(times[CAPTURED], plain, strict=True)]
    return [
        seconds(engine, "plain table, rebuilt", plain),
        seconds(engine, "the same, captured", times[CAPTURED]),
        seconds(engine, "check snapshot of the same rows", times[SNAPSHOT]),
        seconds(engine, "first captured model of the process, one row", times[FIRST]),
        seconds(engine, "first build with every record stored", first[BASELINE]),
        ratio(engine, "added by capture / plain rebuild", added, plain, ADDED_BUDGET[engine]),
        ratio(engine, "snapshot / added by capture", times[SNAPSHOT], added, 3.0, at_least=True),
        ratio(
            engine, "stored baseline / plain rebuild", first[BASELINE], first[PLAIN], BASELINE_BUDGET[engine]
        ),
    ]


def _execution_times(project: Project, selection: str) -> dict[str, float]:
    """Seconds that dbt says each node took: from its start to its commit, hooks included."""
    timed(project, [*DBT, "build", "--threads", "1", "--select", *selection.split()])
    results = json.loads(project.read("target/run_results.json"))["results"]
    return {result["unique_id"].split(".")[-1]: result["execution_time"] for result in results}


def _drop(target: Target) -> None:
    """Back to before the first build, and a store that is as small as then."""
    with target.connected() as connection:
        cursor = connection.cursor()
        cursor.execute(f'drop table if exists "{target.schema}"."{BASELINE}"')
        cursor.execute(f'drop schema if exists "{target.audit_schema}" cascade')
