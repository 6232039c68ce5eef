"""What storing record edges (`audit_lineage: records`) costs: time beside the build of the model, and bytes."""

import json
from pathlib import Path

from benchmarks import orders
from benchmarks.engines import database
from benchmarks.figures import Figure, ratio, seconds
from benchmarks.installed import make_project
from benchmarks.process import BATCH_AUDIT, DBT, timed
from tests.support.project import Project

_META = "meta={{'audit_capture': 'changes', 'audit_key': '{key}', 'audit_lineage': 'records'}}"
MODELS = {
    "mapped": ("order_id", "select order_id, customer, amount * 2 as amount, status from {0}"),
    "grouped": ("customer", "select customer, sum(amount) as amount, max(status) as status from {0} group by customer"),
}  # fmt: skip
_SOURCES = """
version: 2
sources:
  - name: raw
    schema: raw
    tables: [{name: orders, config: {meta: {audit_key: order_id}}}]
"""


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """The first run makes every record; each round then changes 2 % of the rows that are read."""
    files = {"models/sources.yml": _SOURCES}
    for name, (key, sql) in MODELS.items():
        config = f"{{{{ config(materialized='table', {_META.format(key=key)}) }}}}\n"
        files[f"models/{name}.sql"] = config + sql.format("{{ source('raw', 'orders') }}")
    with database(engine, folder, "record_edges") as target:
        orders.load(target, rows)
        project = make_project(folder / f"record_edges_{engine}", target, files, {}, package=True)
        told = []
        for number in range(rounds + 1):
            orders.show(target, 1 + number % 2)
            _run(project)
            told.append(_costs(project))
        figures = [figure for name in MODELS for figure in _figures(engine, name, told)]
        return [*figures, *_size(engine, project)]


def _run(project: Project) -> None:
    timed(project, [*BATCH_AUDIT, "run", "--no-report", "--", *DBT, "run", "--threads", "1"])


def _costs(project: Project) -> dict[str, tuple[float, float, int, str]]:
    """By model of the last batch: seconds of the edges, seconds of the build, number of edges, label."""
    rows = project.audit(
        "select target, metadata from {audit}.audit_event where event_type = 'record_lineage' order by occurred_at desc"
        f" limit {len(MODELS)}"
    )
    built = {
        result["unique_id"]: result["execution_time"]
        for result in json.loads(project.read("target/run_results.json"))["results"]
    }
    found = {}
    for row in rows:
        cost = json.loads(row["metadata"])
        found[row["target"].split(".")[-1]] = (
            cost["microseconds"] / 1e6,
            built[row["target"]],
            cost["edges"],
            cost["status"],
        )
    return found


def _figures(engine: str, name: str, told: list[dict[str, tuple[float, float, int, str]]]) -> list[Figure]:
    first, later = told[0][name], [one[name] for one in told[1:]]
    edges = int(later[-1][2])
    spent, built = [one[0] for one in later], [one[1] for one in later]
    return [
        seconds(engine, f"{name}: {first[2]:,} edges of the first build ({first[3]})", [first[0]]),
        ratio(engine, f"{name}: edges / first build", [first[0]], [first[1]]),
        seconds(engine, f"{name}: {edges:,} edges of a build that changes 2 % ({later[-1][3]})", spent),
        ratio(engine, f"{name}: edges / build", spent, built),
        Figure(engine, f"{name}: microseconds an edge", "us", tuple(one[0] / one[2] * 1e6 for one in later)),
    ]


def _size(engine: str, project: Project) -> list[Figure]:
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(project.settings())
    try:
        warehouse.execute("checkpoint")
        stored = warehouse.stored_bytes(["audit_record_edge"])["audit_record_edge"]
        count = warehouse.query(f"select count(*) as n from {warehouse.table('audit_record_edge')}")[0]["n"]
    finally:
        warehouse.close()
    return (
        [] if stored is None else [Figure(engine, "bytes an edge, on disk", "bytes", (stored / int(count),))]
    )
