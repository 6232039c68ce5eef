"""Models whose changes are stored up to a number: the counts stay whole, and what was left out can be checked."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import write_project
from tests.support.recompute import record_hash
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

ROWS, KEPT = 1000, 10
META = "meta={'audit_capture': 'changes', 'audit_key': 'id', 'audit_max_records': %d%s}"
MODELS = {
    "limited": META % (KEPT, ""),
    "exactly": META % (ROWS, ""),
    "baseline": META % (KEPT, ", 'audit_baseline': 'records'"),
    "none_at_all": META % (0, ""),
}
SQL = "{{{{ config(materialized='table', {}) }}}} select id, note from raw.feed"


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    """Two builds; the second finds another note in every record."""
    folder = tmp_path_factory.mktemp("max_records")
    with database(request.param, folder) as target:
        files = {f"models/{name}.sql": SQL.format(config) for name, config in MODELS.items()}
        project = write_project(folder / "project", target, files=files)
        project.query("create schema raw")
        project.query(
            "create table raw.feed as select cast(i as integer) as id, 'one|~' as note"
            f" from generate_series(1, {ROWS}) as t(i)"
        )
        forks.dbt(project, "run")
        project.query("update raw.feed set note = 'two'")
        forks.dbt(project, "run")
        yield Trail(project)


def counted(trail: Trail, name: str, build: int) -> tuple[int, int, int, int]:
    """Inserts, updates and left-out records by the capture, and the events that are stored."""
    invocation = trail.invocations()[build]
    capture = trail.capture(name, invocation)
    events = trail.events(event_type="record_write", target=trail.node(name), invocation_id=invocation)
    assert [event["seq"] for event in events] == list(range(2, len(events) + 2))
    return capture["inserts"], capture["updates"], capture["not_stored"], len(events)


@pytest.mark.parametrize(
    ("name", "build", "expected"),
    [
        ("limited", 0, (0, 0, 0, 0)),
        ("limited", 1, (0, ROWS, ROWS - KEPT, KEPT)),
        ("exactly", 1, (0, ROWS, 0, ROWS)),
        ("baseline", 0, (ROWS, 0, ROWS - KEPT, KEPT)),
        ("baseline", 1, (0, ROWS, ROWS - KEPT, KEPT)),
        ("none_at_all", 1, (0, ROWS, ROWS, 0)),
    ],
)
def test_the_counts_are_whole_and_the_events_end_at_the_number(
    trail: Trail, name: str, build: int, expected: tuple[int, int, int, int]
) -> None:
    assert counted(trail, name, build) == expected


def test_the_end_of_the_batch_counts_all_of_them(trail: Trail) -> None:
    (_, end) = [event["metadata"] for event in trail.events(event_type="batch_end")]
    assert (end["inserts"], end["updates"]) == (0, len(MODELS) * ROWS)


@pytest.mark.parametrize("name", ["limited", "none_at_all"])
def test_the_digest_is_that_of_the_records_that_were_left_out(trail: Trail, name: str) -> None:
    def change(number: int) -> str:
        ids = str(number)
        old, new = (record_hash(trail.node(name), {"id": ids, "note": note}) for note in ("one|~", "two"))
        return hashlib.sha256(f"{ids}|update|{old}|{new}".encode()).hexdigest()

    stored = {
        int(event["record_id"]) for event in trail.events(event_type="record_write", target=trail.node(name))
    }
    left_out = sorted(change(number) for number in range(1, ROWS + 1) if number not in stored)
    groups: dict[str, list[str]] = {}
    for digest in left_out:
        groups.setdefault(digest[:2], []).append(digest)
    of_groups = sorted(hashlib.sha256("".join(group).encode()).hexdigest() for group in groups.values())
    expected = hashlib.sha256("".join(of_groups).encode()).hexdigest()
    assert trail.capture(name)["not_stored_digest"] == expected


def test_the_store_proves_itself(trail: Trail) -> None:
    assert recompute.problems(trail.project) == []
