"""Microbatches that DuckDB runs beside each other: captures with one number, whose history is told all the same."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.history.as_of import write_as_of
from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

DAYS = 8
# The sum keeps each batch busy, so that they run beside each other.
MODEL = """{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='ts', begin='2026-01-01',
  batch_size='day', concurrent_batches=true, meta={'audit_capture': 'changes', 'audit_key': 'id',
  'audit_reconcile_every': 1}) }}
select id, ts, note || (select sum(hash(i)) % 1 from range(30000000) as r(i)) as note from {{ ref('feed') }}"""
FEED = "{{ config(event_time='ts') }} select * from raw.feed"
CHANGES = (
    "insert into raw.feed select i, timestamp '2026-01-01 01:00:00' + to_days(cast(i % 8 as integer)), 'n' || i"
    " from range(40) as r(i)",
    "update raw.feed set note = 'changed' where id % 3 = 0; delete from raw.feed where id % 5 = 1",
    "insert into raw.feed select 100 + i, timestamp '2026-01-01 02:00:00' + to_days(cast(i % 8 as integer)), 'new'"
    " from range(9) as r(i); delete from raw.feed where id % 7 = 2",
    "update raw.feed set note = 'once more' where id % 4 = 0",
)


@dataclass(frozen=True)
class Built:
    trail: Trail
    states: list[list[dict[str, Any]]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Built]:
    """Four builds of eight days each, the last a full refresh."""
    folder = tmp_path_factory.mktemp("beside")
    config = {"dispatch": DISPATCH, "models": {"+post-hook": HOOK}}
    with database("duckdb", folder) as target:
        files = {"models/in_days.sql": MODEL, "models/feed.sql": FEED}
        project = write_project(folder / "project", target, files=files, config=config)
        project.query("create schema raw")
        project.query("create table raw.feed (id integer, ts timestamp, note varchar)")
        made = Built(Trail(project), [])
        for build, change in enumerate(CHANGES):
            project.query(change)
            window = ["--event-time-start", "2026-01-01", "--event-time-end", f"2026-01-0{DAYS + 1}"]
            full = ["--full-refresh"] if build == len(CHANGES) - 1 else []
            forks.dbt(project, "build", "--threads", "4", *window, *full)
            made.states.append(project.query(f'select * from "{target.schema}".in_days order by id'))
        yield made


def numbers(built: Built, invocation: str) -> list[int]:
    events = built.trail.events(event_type="checkpoint", invocation_id=invocation)
    return sorted(e["metadata"]["capture_no"] for e in events if e["metadata"].get("kind") == "capture")


def test_batches_that_ran_beside_each_other_share_a_number(built: Built) -> None:
    """Else the other tests say nothing."""
    shared = Counter(number for it in built.trail.invocations() for number in numbers(built, it))
    assert max(shared.values()) > 1
    assert sum(shared.values()) == DAYS * len(CHANGES)


def test_every_state_can_be_made_again(built: Built) -> None:
    starts = built.trail.events(event_type="batch_start")
    into = f"{built.trail.project.target.schema}.then"
    with closing(built.trail.project.warehouse()) as warehouse:
        for state, start in list(zip(built.states, starts, strict=True))[:-1]:
            write_as_of(warehouse, "in_days", start["batch_id"], into, from_baseline=False, replace=True)
            found = built.trail.project.query(f'select * from "{into.split(".")[0]}".then order by id')
            assert found == state


def test_nobody_is_accused_of_what_the_batches_did_together(built: Built, forks: Forks) -> None:
    assert built.trail.events(event_type="out_of_band_change") == []
    forks.batch_audit(built.trail.project, "reconcile", "in_days", expect=0)
    forks.batch_audit(built.trail.project, "verify")


def test_a_record_that_two_of_them_changed_leaves_their_order_unknown(built: Built) -> None:
    """A second event of a record under a shared number is put into the store, as two batches could have left it."""
    shared: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for event in built.trail.events(event_type="checkpoint", invocation_id=built.trail.invocations()[1]):
        if event["metadata"].get("kind") == "capture":
            key = (event["segment"], event["metadata"]["capture_no"])
            shared.setdefault(key, []).append(event)
    one, two = next(captures for captures in shared.values() if len(captures) > 1)[:2]
    writes = built.trail.events(event_type="record_write", segment=one["segment"])
    record = next(event["record_id"] for event in writes if event["part"] == one["part"])
    other = next(event["event_id"] for event in writes if event["part"] == two["part"])
    built.trail.project.audit(
        f"update {{audit}}.audit_event set record_id = '{record}' where event_id = '{other}'"
    )
    batch = built.trail.events(event_type="batch_start")[0]["batch_id"]
    into = f"{built.trail.project.target.schema}.then"
    with (
        closing(built.trail.project.warehouse()) as warehouse,
        pytest.raises(ConfigurationError, match=f"both changed the record {record}"),
    ):
        write_as_of(warehouse, "in_days", batch, into, from_baseline=False, replace=True)
