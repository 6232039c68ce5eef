"""Several dbt processes on one store at once: eight first runs, and one batch of invocations that overlap."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from tests.support import recompute
from tests.support.forked import Forks, Running
from tests.support.project import Project, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

WRITERS = 8
GATE = 4242
BATCH = {
    "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_BATCH_ID": "nightly",
    "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_BATCH_MONTH": "2026-01",
}
NAMES = [f"part_{number}" for number in range(WRITERS)]
FILES = {
    **{f"models/{name}.sql": "select 1 as id" for name in NAMES},
    "models/gated.sql": f"select 1 as id from pg_advisory_lock({GATE}) as gate",
    "models/broken.sql": "select no_such_column as id",
}
CONFIG = {
    "models": {
        "+post-hook": "{{ batch_audit.capture() }}",
        "shop": {
            "+materialized": "table",
            "+meta": {"audit_capture": "changes", "audit_key": "id", "audit_baseline": "records"},
        },
    }
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Project]:
    """An empty Postgres database, and a project that is parsed once for all processes."""
    folder = tmp_path_factory.mktemp("at_once")
    with database("postgres", folder) as target:
        written = write_project(folder / "project", target, files=FILES, config=CONFIG)
        # dbt itself creates the models' schema without a lock: that race is not ours.
        target.query(f"create schema {target.schema}")
        forks.dbt(written, "parse")
        for name in NAMES:
            (written.root / f"target_{name}").mkdir()
            shutil.copy(written.root / "target" / "partial_parse.msgpack", written.root / f"target_{name}")
        yield written


@contextmanager
def held(project: Project, key: int) -> Iterator[None]:
    """An advisory lock of the test's own."""
    connection = psycopg2.connect(**project.target.connection)
    try:
        connection.cursor().execute("select pg_advisory_lock(%s)", (key,))
        yield
    finally:
        connection.close()


def await_waiting(project: Project, count: int, running: list[Running]) -> None:
    """Return once that many sessions wait for an advisory lock."""
    deadline = time.monotonic() + 120
    found = 0
    while time.monotonic() < deadline:
        found = project.query(
            "select count(*) as n from pg_locks where locktype = 'advisory' and not granted"
            " and database = (select oid from pg_database where datname = current_database())"
        )[0]["n"]
        if found == count:
            return
        time.sleep(0.05)
    printed = "\n".join(one.printed.with_suffix(".out").read_text(encoding="utf-8") for one in running)
    raise AssertionError(f"{found} of {count} sessions wait for the lock\n{printed}")


def store_lock(project: Project) -> int:
    """The key under which the store's tables are created."""
    name = f"batch_audit:store:{project.target.audit_schema}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def blocks(project: Project) -> list[dict[str, Any]]:
    return project.audit(
        "select b.block_no, b.segment, b.previous_hash, b.block_hash, s.batch_id from {audit}.audit_block as b"
        " join {audit}.audit_segment as s using (segment) order by b.block_no"
    )


def test_eight_first_runs_at_once_make_one_store_and_one_chain(project: Project, forks: Forks) -> None:
    """Every one has found that there is no store before the first one may create it."""
    with held(project, store_lock(project)):
        running = [
            forks.start(
                project, "--no-version-check", "run", "--select", name, "--target-path", f"target_{name}",
                "--log-path", f"logs_{name}", "--no-write-json",
            )
            for name in NAMES
        ]  # fmt: skip
        await_waiting(project, WRITERS, running)
        assert project.query("select 1 from pg_namespace where nspname = 'shop_audit'") == []
    done = [one.wait() for one in running]
    assert [one.status for one in done] == [0] * WRITERS, "\n".join(one.output for one in done)

    trail = Trail(project)
    assert len(set(trail.invocations())) == WRITERS
    assert {event["batch_id"] for event in trail.events()} == set(trail.invocations())
    for name in NAMES:
        (capture,) = trail.events(part=trail.node(name), event_type="checkpoint")
        (end,) = trail.events(event_type="batch_end", batch_id=capture["batch_id"])
        kinds = [event["event_type"] for event in trail.events(batch_id=capture["batch_id"])]
        assert sorted(kinds) == ["batch_end", "batch_start", "checkpoint", "checkpoint", "record_write"]
        assert (end["metadata"]["status"], end["metadata"]["ok"], end["metadata"]["inserts"]) == (
            "success",
            1,
            1,
        )
        assert trail.changes(name)["1"].after == {"id": "1"}

    chain = blocks(project)
    assert [block["block_no"] for block in chain] == list(range(1, 4 * WRITERS + 1))
    assert [block["previous_hash"] for block in chain] == ["0" * 64] + [b["block_hash"] for b in chain[:-1]]
    sealed = [block["segment"] for block in chain]
    assert sealed[::4] == sealed[3::4], "the blocks of one segment do not stand together"
    assert recompute.problems(project) == []


def status_of(project: Project, forks: Forks, batch_id: str) -> tuple[str, int, int]:
    """What `batch-audit status` says of a batch: its status, its segments and how many are not sealed."""
    said = forks.batch_audit(project, "status", "--format", "json").stdout
    (row,) = [row for row in json.loads(said)["batches"] if row["batch_id"] == batch_id]
    return row["status"], row["segments"], row["unsealed"]


def test_an_invocation_that_ends_after_a_later_one_is_sealed_after_it(project: Project, forks: Forks) -> None:
    """The early invocation's model waits for the test; the late one begins and ends meanwhile."""
    with held(project, GATE):
        early = forks.start(project, "--no-version-check", "run", "--select", "gated", env=BATCH)
        await_waiting(project, 1, [early])
        late = ["--target-path", "target_part_0", "--log-path", "logs_part_0"]
        forks.dbt(project, "run", "--select", "part_0", *late, env=BATCH)
        assert status_of(project, forks, "nightly") == ("running", 2, 1)
        assert "open: 1 segment" in forks.batch_audit(project, "verify").output
    ended = early.wait()
    assert ended.status == 0, ended.output

    trail = Trail(project)
    opened = project.audit(
        "select segment, batch_month from {audit}.audit_segment where batch_id = 'nightly' order by opened_at"
    )
    sealed = [block["segment"] for block in blocks(project) if block["batch_id"] == "nightly"]
    assert sealed == [opened[1]["segment"]] * 4 + [opened[0]["segment"]] * 4
    assert {event["batch_month"] for event in trail.events(batch_id="nightly")} == {"2026-01"}
    assert project.audit("select count(*) as n from {audit}.audit_event_2026_01")[0]["n"] == len(
        trail.events(batch_id="nightly")
    )
    ends = {event["segment"]: event["metadata"] for event in trail.events(event_type="batch_end")}
    assert [(ends[row["segment"]]["status"], ends[row["segment"]]["ok"]) for row in opened] == [
        ("success", 1)
    ] * 2

    forks.dbt(project, "run", "--select", "broken", env=BATCH, expect=1)
    assert status_of(project, forks, "nightly") == ("error", 3, 0)
    assert recompute.problems(project) == []
    forks.batch_audit(project, "verify")
