"""Real input: a year of flights in two versions, and every record's changes as plain Python computes them."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from typing import Any

import pytest

from tests.support import flights
from tests.support.flights import Expected, Flight
from tests.support.project import Project
from tests.support.trail import Trail

DESCRIBED = """
sources:
  - name: raw
    schema: raw
    tables: [name: flights]
models:
  - name: flights
    config:
      meta: {audit_capture: changes, audit_key: [time_hour, carrier, flight], audit_baseline: records}
"""


@dataclass(frozen=True)
class Versions:
    """The flights before and after, with the records of the stored baseline and the changes between the two."""

    first: list[Flight]
    second: list[Flight]
    baseline: dict[str, Expected]
    changes: dict[str, Expected]


@pytest.fixture(scope="module")
def versions() -> Versions:
    everything = flights.read_flights()
    assert len(everything) == 336_776
    first, second = flights.first_version(everything), flights.second_version(everything)
    return Versions(
        first, second, flights.expected_changes([], first), flights.expected_changes(first, second)
    )


def recorded(project: Project, invocation: str) -> dict[str, Expected]:
    """The changes that an invocation stored, by record id."""
    values = [field.name for field in fields(Expected)][2:]
    with project.target.connected() as connection:
        cursor = connection.cursor()
        cursor.execute(
            f"select e.record_id, e.change_type, e.changed_fields, {', '.join(f'p.{name}' for name in values)}"
            f" from {project.target.audit_schema}.audit_event as e"
            f" join {project.target.audit_schema}.audit_payload as p using (event_id)"
            f" where e.event_type = 'record_write' and e.invocation_id = '{invocation}'"
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    found = {row[0]: Expected(*row[1:]) for row in rows}
    assert len(found) == len(rows), "a record was recorded twice"
    return found


def assert_same(found: dict[str, Expected], expected: dict[str, Expected]) -> None:
    """Equal record by record; a difference is shown for a few records, not for a hundred thousand."""
    assert sorted(found.keys() ^ expected.keys())[:3] == []
    different = [record for record in expected if found[record] != expected[record]]
    shown = sorted(different)[:3]
    assert [astuple(found[r]) for r in shown] == [astuple(expected[r]) for r in shown]


def counts(changes: dict[str, Expected]) -> dict[str, int]:
    kinds = [change.kind for change in changes.values()]
    return {f"{kind}s": kinds.count(kind) for kind in ("insert", "update", "delete")}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_change_of_a_real_table_is_stored_exactly(
    make_project: Callable[..., Project], versions: Versions
) -> None:
    project = make_project(files={"models/flights.yml": DESCRIBED, "models/flights.sql": flights.MODEL})
    trail = Trail(project)

    flights.load(project.target, versions.first)
    project.dbt("run")
    flights.load(project.target, versions.second)
    project.dbt("run")
    project.dbt("run")

    built, changed, unchanged = trail.invocations()
    assert_same(recorded(project, built), versions.baseline)
    assert_same(recorded(project, changed), versions.changes)
    assert recorded(project, unchanged) == {}

    assert min(counts(versions.changes).values()) > 1000, "the rule makes changes of every kind"
    captures = [trail.capture("flights", invocation) for invocation in (built, changed, unchanged)]
    shown = ("mode", "capture_no", "rows_before", "rows_after", "inserts", "updates", "deletes")
    before, after = len(versions.first), len(versions.second)
    assert [tuple(capture[name] for name in shown) for capture in captures] == [
        ("baseline", 1, None, before, before, 0, 0),
        ("changes", 2, before, after, *counts(versions.changes).values()),
        ("changes", 3, after, after, 0, 0, 0),
    ]
    assert captures[1]["key"] == list(flights.KEY)

    verified = project.batch_audit("verify", "--format", "json")
    assert f'"payloads": {len(versions.baseline) + len(versions.changes)}' in verified.stdout
