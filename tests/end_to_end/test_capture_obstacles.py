"""DuckDB, where model and audit cannot commit together: the model is built, nothing is captured, and all say why."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

DESCRIBED = """
models:
  - name: plain
    config: {meta: &asks {audit_capture: changes, audit_key: id}}
  - name: elsewhere
    config: {database: other, meta: *asks}
  - name: by_line
    config: {database: other}
  - name: parent
    config: {contract: {enforced: true}, meta: *asks}
    columns:
      - {name: id, data_type: integer, constraints: [{type: primary_key}]}
      - {name: note, data_type: varchar}
  - name: child
    config: {contract: {enforced: true}, meta: *asks}
    columns:
      - name: id
        data_type: integer
        constraints: [{type: foreign_key, to: ref('parent'), to_columns: [id]}]
      - {name: note, data_type: varchar}
"""
LINE = "{{ config(post_hook=\"{{ batch_audit.capture_changes(key='id') }}\") }}"
ELSEWHERE = "lies in the attached database other and the audit store in warehouse"
FOREIGN_KEYS = "has foreign keys, so dbt-duckdb builds it in place"
TRANSACTIONS = "transactions are off (disable_transactions in profiles.yml)"


@dataclass(frozen=True)
class Built:
    """The project after three builds, the last of plain and elsewhere alone and without transactions."""

    trail: Trail
    output: list[str]

    def reasons(self, build: int) -> dict[str, str]:
        """Why each model of a build was not captured."""
        invocation = self.trail.invocations()[build]
        events = self.trail.events(event_type="not_captured", invocation_id=invocation)
        reasons = {event["target"].rpartition(".")[2]: event["metadata"]["reason"] for event in events}
        assert len(reasons) == len(events)
        return reasons


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("obstacles")
    attached = [{"path": str(folder / "other.duckdb"), "alias": "other"}]
    with database("duckdb", folder) as target:
        project = write_project(
            folder / "project", target, files={"models/models.yml": DESCRIBED},
            config={"models": {"+materialized": "table", "+post-hook": "{{ batch_audit.capture() }}"}},
        )  # fmt: skip
        output = []
        for build in range(3):
            for name in ("plain", "elsewhere", "by_line", "parent", "child"):
                read = "{{ ref('parent') }}" if name == "child" else "(select 1 as id)"
                line = LINE if name == "by_line" else ""
                project.write(f"models/{name}.sql", f"{line}select id, 'build {build}' as note from {read}")
            off = {"disable_transactions": True} if build == 2 else {}
            project.write("profiles.yml", target.profile_yaml("shop", attach=attached, **off))
            output.append(
                forks.dbt(project, "run", *(["--select", "plain", "elsewhere"] if off else [])).output
            )
        yield Built(Trail(project), output)


@pytest.mark.parametrize("build", [0, 1])
def test_another_database_and_foreign_keys_are_reasons_not_to_capture(built: Built, build: int) -> None:
    reasons = built.reasons(build)
    assert set(reasons) == {"elsewhere", "by_line", "child"}
    assert ELSEWHERE in reasons["elsewhere"] and ELSEWHERE in reasons["by_line"]
    assert FOREIGN_KEYS in reasons["child"]


def test_so_are_transactions_that_are_off(built: Built) -> None:
    reasons = built.reasons(2)
    assert set(reasons) == {"plain", "elsewhere"}
    assert TRANSACTIONS in reasons["plain"]
    assert ELSEWHERE in reasons["elsewhere"]


def test_each_reason_is_a_warning_of_dbt(built: Built) -> None:
    for build, output in enumerate(built.output):
        said = " ".join(output.split())
        for name, reason in built.reasons(build).items():
            assert said.count(f" {name}: its record changes are not captured: {reason}.") == 1


def test_what_is_not_captured_is_built_all_the_same_and_its_neighbours_are_captured(built: Built) -> None:
    newest = {"plain": 2, "parent": 1, "child": 1}
    for name, build in newest.items():
        rows = built.trail.project.query(f'select id, note from "shop".{name}')
        assert rows == [{"id": 1, "note": f"build {build}"}]
    second = built.trail.invocations()[1]
    for name in ("plain", "parent"):
        (change,) = built.trail.changes(name, second).values()
        assert (change.kind, change.changed) == ("update", ("note",))
    assert [event["target"] for event in built.trail.events(event_type="record_write")].count(
        built.trail.node("plain")
    ) == 1


def test_the_batches_end_well_and_the_store_proves_itself(built: Built, forks: Forks) -> None:
    ends = built.trail.events(event_type="batch_end")
    assert [(end["metadata"]["status"], end["metadata"]["ok"]) for end in ends] == [
        ("success", n) for n in (5, 5, 2)
    ]
    assert recompute.problems(built.trail.project) == []
    forks.batch_audit(built.trail.project, "verify")
