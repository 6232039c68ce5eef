"""Inputs of what dbt changes in place: microbatches are compared window by window, snapshots by current rows."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import DISPATCH, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

SOURCES = """
version: 2
sources:
  - name: raw
    schema: raw
    tables:
      - {name: dated, config: {event_time: ts}}
      - {name: undated}
"""
META = "meta={'audit_capture': 'changes', 'audit_key': 'id', 'audit_inputs': '%s'}"
WINDOWS = (
    "incremental_strategy='microbatch', event_time='ts', begin='2026-01-01', batch_size='day', lookback=3"
)
SQL = (
    "{{{{ config(materialized='incremental', {}) }}}}"
    "select id, ts from {{{{ source('raw', '{}') }}}} where id % 4 <> 0"
)
TABLE = "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'id'}) }}"
SNAPSHOT = (
    "{% snapshot versions %}{{ config(strategy='check', unique_key='id', check_cols='all', "
    + META % "raw.undated"
    + ") }} select id, ts from {{ source('raw', 'undated') }} where id > 2 {% endsnapshot %}"
)


def files(engine: str) -> dict[str, str]:
    """A microbatch model for each source, a snapshot and a model that reads a seed."""
    windows = WINDOWS + (", unique_key='id'" if engine == "postgres" else "")
    return {
        "models/sources.yml": SOURCES,
        "models/dated_windows.sql": SQL.format(f"{windows}, {META % 'dated'}", "dated"),
        "models/undated_windows.sql": SQL.format(f"{windows}, {META % 'undated'}", "undated"),
        "models/from_seed.sql": TABLE + "select id from {{ ref('numbers') }} where id <> 2",
        "seeds/numbers.csv": "id\n1\n2\n3\n",
        "snapshots/versions.sql": SNAPSHOT,
    }


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    """Two builds of three days with four orders each."""
    folder = tmp_path_factory.mktemp("in_place")
    with database(request.param, folder) as target:
        project = write_project(
            folder / "project", target, files=files(request.param), config={"dispatch": DISPATCH}
        )
        project.query("create schema raw")
        for name in ("dated", "undated"):
            project.query(
                f"create table raw.{name} as select cast(i as integer) as id, timestamp '2026-01-01 12:00:00'"
                " + ((i - 1) / 4)::integer * interval '1 day' as ts from generate_series(1, 12) as t(i)"
                if request.param == "postgres"
                else f"create table raw.{name} as select cast(i as integer) as id, timestamp '2026-01-01 12:00:00'"
                " + cast((i - 1) // 4 as integer) * interval '1 day' as ts from generate_series(1, 12) as t(i)"
            )
        for _ in range(2):
            forks.dbt(project, "build", "--event-time-start", "2026-01-01", "--event-time-end", "2026-01-04")
        yield Trail(project)


def reads(trail: Trail, node: str, build: int) -> dict[str, dict[str, Any]]:
    """What a build says of its inputs, by the part that wrote it."""
    events = trail.events(event_type="record_read", target=node, invocation_id=trail.invocations()[build])
    return {event["part"].removeprefix(node): event["metadata"] for event in events}


def skipped(trail: Trail, node: str, build: int) -> list[tuple[str, str]]:
    """The parts and records of the skips of a build."""
    events = trail.events(event_type="record_skip", target=node, invocation_id=trail.invocations()[build])
    return sorted((event["part"].removeprefix(node), event["record_id"]) for event in events)


@pytest.mark.parametrize("build", [0, 1])
def test_a_microbatch_is_compared_with_the_rows_of_its_window(trail: Trail, build: int) -> None:
    said = reads(trail, trail.node("dated_windows"), build)
    assert len(said) == 3
    for metadata in said.values():
        assert (metadata["rows_read"], metadata["rows_written"], metadata["rows_skipped"]) == (4, 3, 1)
        assert metadata["reason"] == "unknown: the model is built in batches"
    parts = sorted(said)
    assert skipped(trail, trail.node("dated_windows"), build) == list(
        zip(parts, ["4", "8", "12"], strict=True)
    )


@pytest.mark.parametrize("build", [0, 1])
def test_an_input_that_dbt_gives_whole_to_every_batch_is_only_counted(trail: Trail, build: int) -> None:
    said = reads(trail, trail.node("undated_windows"), build)
    assert [metadata["rows_read"] for metadata in said.values()] == [12, 12, 12]
    assert all("has no event_time" in metadata["note"] for metadata in said.values())
    assert skipped(trail, trail.node("undated_windows"), build) == []


@pytest.mark.parametrize("build", [0, 1])
def test_a_snapshot_is_compared_with_its_current_rows(trail: Trail, build: int) -> None:
    node = "snapshot.shop.versions"
    (said,) = reads(trail, node, build).values()
    assert (said["rows_read"], said["rows_written"], said["reason"]) == (12, 10, "filter: id > 2")
    assert skipped(trail, node, build) == [("", "1"), ("", "2")]


@pytest.mark.parametrize("build", [0, 1])
def test_a_seed_is_an_input_and_has_none(trail: Trail, build: int) -> None:
    (said,) = reads(trail, trail.node("from_seed"), build).values()
    assert (said["rows_read"], said["rows_skipped"], said["reason"]) == (3, 1, "filter: id <> 2")
    assert reads(trail, "seed.shop.numbers", build) == {}


def test_the_store_proves_itself(trail: Trail) -> None:
    assert recompute.problems(trail.project) == []
