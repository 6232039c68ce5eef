"""What `history` of one record takes among ten changes for each of `rows`, in a store that dbt made."""

import time
from pathlib import Path

from batch_audit.history.versions import read_history
from batch_audit.warehouses import Warehouse
from benchmarks.engines import database
from benchmarks.figures import Figure, seconds
from benchmarks.installed import make_project
from benchmarks.process import DBT, timed

BUDGET = {"duckdb": 0.3, "postgres": 0.1}
EVENTS_PER_ROW = 10
CAPTURE_ROWS = 50_000
MODELS = 5
# Each record of the looked-up model changes so often.
VERSIONS = 20
_MODEL = (
    "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'id'}) }} select 1 as id"
)


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """Load, let Postgres sum up its blocks, then look up another record in each round (and one before the first)."""
    events = rows * EVENTS_PER_ROW
    with database(engine, folder, "history") as target:
        files = {f"models/m{number}.sql": _MODEL for number in range(MODELS)}
        project = make_project(folder / f"history_{engine}", target, files, {}, package=True)
        timed(project, [*DBT, "run"])
        warehouse = project.warehouse()
        try:
            _load(warehouse, events)
            records = max(1, events // MODELS // VERSIONS)
            found, taken = 0, []
            for number in range(rounds + 1):
                started = time.perf_counter()
                history = read_history(warehouse, "m3", str(number * 7919 % records))
                taken.append(time.perf_counter() - started)
                found += len(history.versions)
        finally:
            warehouse.close()
    assert found > 0, "none of the records that were looked up has a version"
    what = f"{events:,} changes: history of one record ({found / (rounds + 1):.0f} versions)"
    return [seconds(engine, what, taken[1:], BUDGET[engine])]


def _load(warehouse: Warehouse, events: int) -> None:
    """Captures of 50,000 changes by turns of the models, in one month, each with its checkpoint."""
    duckdb = warehouse.engine == "duckdb"
    divide = "//" if duckdb else "/"
    series = f"range({events}) as s(g)" if duckdb else f"generate_series(0, {events - 1}) as s(g)"
    capture = f"(g {divide} {CAPTURE_ROWS})"
    month = warehouse.query(f"select max(batch_month) as m from {warehouse.table('audit_segment')}")[0]["m"]
    places = (
        f"select md5(cast({capture} as text)) as segment, 'model.shop.m' || ({capture} % {MODELS}) as part,"
        f" cast(g % {CAPTURE_ROWS} + 2 as bigint) as seq, {_id(warehouse, 'g')} as event_id,"
        f" cast('{month}' as text) as batch_month, g from {series}"
    )
    _load_changes(warehouse, places, max(1, events // MODELS // VERSIONS))
    told = (
        """'{"kind":"capture","mode":"changes","relation":"m","key":["id"],"ignored":[],"columns":[],"rows_before":1,'"""
        f""" || '"rows_after":1,"capture_no":' || ({capture} {divide} {MODELS} + 2) || '}}'"""
    )
    warehouse.execute(
        f"insert into {warehouse.table('audit_event')} (segment, part, seq, event_id, batch_id, batch_month,"
        " event_type, occurred_at, target, metadata) select segment, part, 1, event_id || 'c', segment, batch_month,"
        f" 'checkpoint', 1800000000000000 + g, part, {told} from ({places} where g % {CAPTURE_ROWS} = 0) as e"
    )
    if not duckdb:
        warehouse.execute(f"vacuum (analyze) {warehouse.table('audit_event')}")
        warehouse.execute(f"vacuum (analyze) {warehouse.table('audit_payload')}")


def _load_changes(warehouse: Warehouse, places: str, records: int) -> None:
    # Neighbours in time are no neighbours by key.
    record = f"cast((cast(g as bigint) * 7919) % {records} as text)"
    values = (
        """'{"amount":"' || g || '","customer":"customer ' || (g % 1000) || '","status":"paid",'"""
        """ || '"note":"words that say something about it"}'"""
    )
    warehouse.execute(
        f"insert into {warehouse.table('audit_event')} (segment, part, seq, event_id, batch_id, batch_month,"
        " event_type, occurred_at, invocation_id, actor, target, record_id, change_type, changed_fields,"
        " payload_commitment) select segment, part, seq, event_id, segment, batch_month, 'record_write',"
        f" 1800000000000000 + g, segment, 'anna', part, {record}, 'update', '[\"amount\"]',"
        f" {_id(warehouse, 'g + 1')} from ({places}) as e"
    )
    warehouse.execute(
        f"insert into {warehouse.table('audit_payload')} (segment, part, seq, event_id, batch_month, salt, old_hash,"
        " record_hash, old_value, new_value) select segment, part, seq, event_id, batch_month, md5(event_id),"
        f" {_id(warehouse, 'g + 2')}, {_id(warehouse, 'g + 3')}, {values}, {values} from ({places}) as e"
    )


def _id(warehouse: Warehouse, expression: str) -> str:
    return warehouse.sha256_hex(f"cast(({expression}) as text)")
