"""Capture beside a dbt `check` snapshot of the same rows while the table grows: time, memory and bytes stored.

Of both sizes 20,000 records change in each round. Every node runs in a dbt process of its own, so that its peak memory
is its own; on Postgres the server works in other processes, which are looked at while dbt runs (Linux's /proc).
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import orders
from benchmarks.engines import database
from benchmarks.figures import Figure, ratio, seconds
from benchmarks.installed import make_project
from benchmarks.process import DBT, timed
from tests.support.project import Project
from tests.support.target import Target

PLAIN, CAPTURED, SNAPSHOT, FIRST = "plain", "captured", "history", "first"
CHANGES = 20_000
SAMPLE_SECONDS = 0.05

_SELECT = "select * from raw.orders"
_META = "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'order_id'}) }}\n"
# The first captured model of a dbt process pays for compiling the macros; it is a table of one row here.
_AFTER_FIRST = f"-- depends_on: {{{{ ref('{FIRST}') }}}}\n"
FILES = {
    f"models/{FIRST}.sql": _META + "select 1 as order_id",
    f"models/{PLAIN}.sql": "{{ config(materialized='table') }}\n" + _AFTER_FIRST + _SELECT,
    f"models/{CAPTURED}.sql": _META + _AFTER_FIRST + _SELECT,
    f"snapshots/{SNAPSHOT}.sql": f"{{% snapshot {SNAPSHOT} %}}\n"
    "{{ config(strategy='check', unique_key='order_id', check_cols='all') }}\n"
    f"{_AFTER_FIRST}{_SELECT}\n{{% endsnapshot %}}",
}


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """Two sizes of the table, `rows` and ten times as many."""
    figures: list[Figure] = []
    for size in (rows, rows * 10):
        with database(engine, folder, f"growth_{size}") as target:
            figures += _measure(engine, target, folder / f"growth_{engine}_{size}", rounds, size)
    return figures


def _measure(engine: str, target: Target, root: Path, rounds: int, size: int) -> list[Figure]:
    orders.load(target, size, period=orders.PERIOD * size // (CHANGES * 50))
    project = make_project(root, target, FILES, {}, package=True)
    taken: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    stored: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        orders.show(target, 1 + number % 2)
        for name in (PLAIN, CAPTURED, SNAPSHOT):
            before = _bytes_used(target)
            time, peak = _run(project, name)
            if number == 0:
                continue
            taken.setdefault(name, []).append(time)
            memory.setdefault(name, []).append(peak / 1e6)
            stored.setdefault(name, []).append(_bytes_used(target) - before)
    added = [captured - plain for captured, plain in zip(taken[CAPTURED], taken[PLAIN], strict=True)]
    figures = [seconds(engine, f"{size:,} rows: plain rebuild", taken[PLAIN])]
    figures.append(seconds(engine, f"{size:,} rows: added by capture", added))
    figures.append(seconds(engine, f"{size:,} rows: check snapshot", taken[SNAPSHOT]))
    figures.append(ratio(engine, f"{size:,} rows: snapshot / added by capture", taken[SNAPSHOT], added))
    for name in (PLAIN, CAPTURED, SNAPSHOT):
        what = f"{size:,} rows: {name}, peak memory"
        figures.append(Figure(engine, what, "MB", tuple(memory[name])))
    for name in (CAPTURED, SNAPSHOT):
        per_change = tuple(found / CHANGES for found in stored[name])
        figures.append(Figure(engine, f"{size:,} rows: {name}, stored per change", "bytes", per_change))
    return figures


def _run(project: Project, name: str) -> tuple[float, float]:
    """Seconds that dbt says the node took, hooks included, and the bytes that dbt and the server held at most."""
    with _memory_held(project.target.database) as samples:
        timed(project, [*DBT, "build", "--threads", "1", "--select", FIRST, name])
    results = json.loads(project.read("target/run_results.json"))["results"]
    times = {result["unique_id"].split(".")[-1]: result["execution_time"] for result in results}
    return times[name], max(samples)


@contextmanager
def _memory_held(server: str) -> Iterator[list[int]]:
    """A list that grows by the bytes that our children and the Postgres processes of a database hold together.

    A finished child's own `ru_maxrss` is no use: on Linux it starts from what the parent held when it forked.
    """
    samples, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(sum(_held(process, server) for process in Path("/proc").glob("[0-9]*")))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()


def _held(process: Path, server: str) -> int:
    """Bytes of a process that count here: a child's whole, of a server process what is not shared memory."""
    try:
        status = (process / "status").read_text(encoding="utf-8")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if int(fields["PPid"]) == os.getpid():
            return int(fields["VmRSS"].split()[0]) * 1024
        command = (process / "cmdline").read_bytes()
        if b"postgres:" in command and server.encode() in command:
            return int(fields["RssAnon"].split()[0]) * 1024
    except (OSError, KeyError):
        return 0  # it has ended meanwhile, or is a thread of the kernel
    return 0


def _bytes_used(target: Target) -> float:
    """Bytes of the database that hold something: what a rebuilt table left free is not counted."""
    if target.engine == "duckdb":
        with target.connected() as connection:
            connection.execute("checkpoint")
            row = connection.execute("select used_blocks * block_size from pragma_database_size()").fetchone()
            return float(row[0])
    return float(target.query("select pg_database_size(current_database()) as bytes")[0]["bytes"])
