"""What recording a captured model's reads and skips costs, beside the same capture without them."""

import json
from pathlib import Path

from benchmarks import orders
from benchmarks.engines import database
from benchmarks.figures import Figure, ratio, seconds
from benchmarks.installed import make_project
from benchmarks.process import DBT, timed

# Name -> (further meta, SQL). Order ids divide by 100 for one row in a hundred.
_ALL, _MOST = "select * from {0}", "select * from {0} where order_id % 100 <> 0"
_FEW = "select * from {0} where order_id % 2 = 0"
MODELS = {
    "all": (None, _ALL), "all_off": (", 'audit_inputs': False", _ALL), "all_on": ("", _ALL),
    "most": (None, _MOST), "most_off": (", 'audit_inputs': False", _MOST), "most_on": ("", _MOST),
    "half": (None, _FEW), "half_off": (", 'audit_inputs': False", _FEW), "half_on": ("", _FEW),
}  # fmt: skip
_SOURCES = "version: 2\nsources: [{name: raw, schema: raw, tables: [{name: orders_1}]}]\n"
_SHARE = 0.15


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """In each round one dbt process on one thread builds every model by name; the first round is not counted.

    The first model of a process pays for compiling the macros; it has one row.
    """
    files = {
        "models/sources.yml": _SOURCES,
        "models/a_first.sql": _model("", "select order_id from {0} where order_id = 1"),
    }
    for name, (meta, sql) in MODELS.items():
        files[f"models/{name}.sql"] = _model(meta, sql)
    times: dict[str, list[float]] = {name: [] for name in MODELS}
    with database(engine, folder, "inputs") as target:
        orders.load(target, rows)
        project = make_project(folder / f"inputs_{engine}", target, files, {}, package=True)
        for number in range(rounds + 1):
            timed(project, [*DBT, "run", "--threads", "1"])
            for result in json.loads(project.read("target/run_results.json"))["results"]:
                name = result["unique_id"].split(".")[-1]
                if number and name in times:
                    times[name].append(result["execution_time"])
    return _figures(engine, times)


def _model(meta: str | None, sql: str) -> str:
    captured = f", meta={{'audit_capture': 'changes', 'audit_key': 'order_id'{meta}}}"
    config = f"{{{{ config(materialized='table'{'' if meta is None else captured}) }}}}\n"
    return config + sql.format("{{ source('raw', 'orders_1') }}")


def _figures(engine: str, times: dict[str, list[float]]) -> list[Figure]:
    figures = []
    for name, said in (("all", "keeps all rows"), ("most", "leaves 1 % out"), ("half", "leaves half out")):
        plain, off, on = times[name], times[f"{name}_off"], times[f"{name}_on"]
        added = [with_ - without for with_, without in zip(on, off, strict=True)]
        figures += [
            seconds(engine, f"plain table that {said}, rebuilt", plain),
            seconds(engine, "the same, captured without inputs", off),
            seconds(engine, "the same, captured with its input", on),
            ratio(engine, "added by the input / plain rebuild", added, plain, _SHARE),
        ]
    return figures
