"""Tables whose columns change between two builds, and columns that do not count: which changes a capture sees."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import recompute
from tests.support.project import Project, write_project
from tests.support.trail import Change, Trail, database

pytestmark = pytest.mark.slow

# As long as Postgres allows, so that dbt shortens the name of the table's backup.
LONG = "a_model_whose_name_has_as_many_characters_as_postgres_will_take"
LONG_COLUMN = "a_column_whose_name_has_as_many_characters_as_postgres_can_take"
ID = "meta={'audit_capture': 'changes', 'audit_key': 'id'%s}"
CAPTURED = ID % ""
IGNORING = ID % ", 'audit_ignore': ['note', 'other']"


def rows(columns: str, *values: str) -> str:
    return f"select * from (values {', '.join(f'({row})' for row in values)}) as v({columns})"


AUDITED = (
    "select v.*, {{ batch_audit.audit_columns() }}, '{{ batch_audit.batch_id() }}' as batch from (%s) as v"
)
HASHED = "select v.*, {{ batch_audit.record_hash(['id', 'a']) }} as own_hash from (%s) as v"
# model: (config, select of the first build, select of the second)
MODELS = {
    "added": (CAPTURED, rows("id, a", "1, 'a'", "2, 'a'"),
              rows("id, a, b", "1, 'a', null", "2, 'a', 'x'")),
    "removed": (CAPTURED, rows("id, a, b", "1, 'a', null", "2, 'a', 'x'"), rows("id, a", "1, 'a'", "2, 'a'")),
    "renamed": (CAPTURED, rows("id, a", "1, 'a'", "2, null"), rows("id, c", "1, 'a'", "2, null")),
    "reordered": (CAPTURED, rows("id, a, b", "1, 'a', 'b'", "2, 'x', 'y'"),
                  rows("b, id, a", "'b', 1, 'a'", "'Y', 2, 'x'")),
    "retyped": (CAPTURED, rows("id, a, b", "1, 1, 1.50", "2, 2, 2.50", "3, null, null"),
                rows("id, a, b", "1, '1', '1.5'", "2, 'two', '2.50'", "3, null, null")),
    "key_retyped": (CAPTURED, rows("id, a", "1, 'a'", "2, 'b'"), rows("id, a", "'1', 'a'", "'2', 'c'", "'x', 'd'")),
    "ignoring": (IGNORING, rows("id, a, note, other", "1, 'a', 'n', 1", "2, 'a', 'n', 1"),
                 rows("id, a, note, other", "1, 'a', 'N', 2", "2, 'b', 'N', 2")),
    "ignoring_added": (IGNORING, rows("id, a, other", "1, 'a', 1"), rows("id, a, other, note", "1, 'a', 1, 'n'")),
    "ignoring_nothing": (ID % ", 'audit_ignore': ['Nope', 'a']", rows("id, a", "1, 'a'"), rows("id, a", "1, 'b'")),
    "audited": (ID % ", 'audit_ignore': 'batch'", AUDITED % rows("id, a, b", "1, 'a', 1.50", "2, 'a', 2"),
                AUDITED % rows("id, a, b", "1, 'a', 1.50", "2, 'a|~', null", "3, '', 0.10")),
    "hashed": (CAPTURED, HASHED % rows("id, a", "1, 'a'", "2, ''"), HASHED % rows("id, a", "1, 'a'", "2, null")),
    "dropped_by_hand": (CAPTURED, rows("id, a", "1, 'a'"), rows("id, a", "1, 'b'")),
    "was_a_view": (CAPTURED, rows("id, a", "1, 'a'"), rows("id, a", "1, 'b'")),
    LONG: (CAPTURED, rows(f"id, {LONG_COLUMN}", "1, 'a'", "2, 'a'"), rows(f"id, {LONG_COLUMN}", "1, 'b'", "3, 'a'")),
}  # fmt: skip
DESCRIBED = """
models:
  - name: audited
    columns:
      - {name: id, data_type: integer}
      - {name: a, data_type: text}
      - {name: b, data_type: "decimal(10,2)"}
      - {name: audit_batch_id}
"""
UNCHANGED: dict[str | None, Change] = {}
EXPECTED: dict[str, dict[str | None, Change]] = {
    "added": {
        "2": Change(
            "update", ("b",), {"a": "a", "id": "2"}, {"a": "a", "b": "x", "id": "2"}
        )
    },
    "removed": {
        "2": Change(
            "update", ("b",), {"a": "a", "b": "x", "id": "2"}, {"a": "a", "id": "2"}
        )
    },
    "renamed": {"1": Change("update", ("a", "c"), {"a": "a", "id": "1"}, {"c": "a", "id": "1"})},
    "reordered": {
        "2": Change("update", ("b",), {"a": "x", "b": "y", "id": "2"}, {"a": "x", "b": "Y", "id": "2"})
    },
    "retyped": {
        "2": Change(
            "update", ("a", "b"), {"a": "2", "b": "2.5", "id": "2"}, {"a": "two", "b": "2.50", "id": "2"}
        )
    },
    "key_retyped": {
        "2": Change("update", ("a",), {"a": "b", "id": "2"}, {"a": "c", "id": "2"}),
        "x": Change("insert", None, None, {"a": "d", "id": "x"}),
    },
    "ignoring": {
        "2": Change(
            "update", ("a",),
            {"a": "a", "id": "2", "note": "n", "other": "1"}, {"a": "b", "id": "2", "note": "N", "other": "2"},
        )
    },
    "ignoring_added": UNCHANGED,
    "ignoring_nothing": UNCHANGED,
    "dropped_by_hand": UNCHANGED,
    "was_a_view": UNCHANGED,
    LONG: {
        "1": Change("update", (LONG_COLUMN,), {LONG_COLUMN: "a", "id": "1"}, {LONG_COLUMN: "b", "id": "1"}),
        "2": Change("delete", None, {LONG_COLUMN: "a", "id": "2"}, None),
        "3": Change("insert", None, None, {LONG_COLUMN: "a", "id": "3"}),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Built:
    """The project after two builds, and what dbt printed in the second."""

    trail: Trail
    output: str


def write_build(project: Project, build: int) -> None:
    for name, (config, *selects) in MODELS.items():
        kind = "view" if name == "was_a_view" and build == 0 else "table"
        used = "" if kind == "view" else f", {config}"
        project.write(
            f"models/{name}.sql", f"{{{{ config(materialized='{kind}'{used}) }}}}\n{selects[build]}"
        )


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Two builds; between them somebody drops a table."""
    folder = tmp_path_factory.mktemp("columns")
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target, files={"models/described.yml": DESCRIBED})
        write_build(project, 0)
        project.dbt("run")
        project.query('drop table "shop".dropped_by_hand')
        write_build(project, 1)
        yield Built(Trail(project), project.dbt("run").stdout)


@pytest.mark.parametrize("name", EXPECTED)
def test_only_records_whose_values_differ_have_changed(built: Built, name: str) -> None:
    assert built.trail.changes(name) == EXPECTED[name]
    assert built.trail.not_captured(name) == []
    assert built.trail.capture(name)["capture_no"] == (1 if name == "was_a_view" else 2)


@pytest.mark.parametrize("name", ["dropped_by_hand", "was_a_view"])
def test_without_a_previous_table_the_build_is_a_first_one(built: Built, name: str) -> None:
    capture = built.trail.capture(name)
    assert (capture["mode"], capture["rows_before"], capture["rows_after"]) == ("first_build", None, 1)
    assert capture["fingerprint"]


def test_ignored_columns_are_named_and_a_name_that_no_column_has_is_warned_of(built: Built) -> None:
    assert built.trail.capture("ignoring")["ignored"] == ["note", "other"]
    assert built.trail.capture("ignoring_nothing")["ignored"] == ["a"]
    said = [line for line in built.output.splitlines() if "ignoring_nothing: " in line]
    assert len(said) == 1
    name = "nope" if built.trail.project.target.engine == "duckdb" else "Nope"
    assert f"audit_ignore names columns that it does not have: {name}" in said[0]
    assert "It has: id, a" in said[0]
    # Named as a precaution for a column that came later.
    assert "ignoring_added: " not in built.output


def test_audit_columns_are_ignored_and_their_hash_is_the_captured_one(built: Built) -> None:
    first, second = built.trail.invocations()
    capture = built.trail.capture("audited")
    assert capture["ignored"] == ["audit_batch_id", "audit_loaded_at", "audit_record_hash", "batch"]
    changes = built.trail.changes("audited")
    assert {record: (change.kind, change.changed) for record, change in changes.items()} == {
        "2": ("update", ("a", "b")),
        "3": ("insert", None),
    }
    written = built.trail.events(event_type="record_write", target=built.trail.node("audited"))
    for event in written:
        assert event["new_value"]["audit_record_hash"] == event["record_hash"]
        assert event["new_value"]["batch"] == event["new_value"]["audit_batch_id"] == second
        if event["old_value"]:
            assert event["old_value"]["audit_record_hash"] == event["old_hash"]
            assert event["old_value"]["batch"] == event["old_value"]["audit_batch_id"] == first
    loaded = built.trail.project.query('select id, audit_batch_id, batch from "shop".audited order by id')
    assert [tuple(row.values()) for row in loaded] == [(n, second, second) for n in (1, 2, 3)]


def test_a_hash_in_the_model_tells_null_from_an_empty_text(built: Built) -> None:
    changes = built.trail.changes("hashed")
    assert {record: change.changed for record, change in changes.items()} == {"2": ("a", "own_hash")}
    change = changes["2"]
    for values in (change.before, change.after):
        assert values
        texts = {"a": values["a"], "id": values["id"]}
        assert values["own_hash"] == recompute.record_hash(built.trail.node("hashed"), texts)


def test_the_trail_is_whole(built: Built) -> None:
    assert recompute.problems(built.trail.project) == []


# (added, removed, retyped, perhaps renamed, reordered); the columns of the others stay as they were.
SCHEMA_CHANGES: dict[str, tuple[list[str], list[str], list[str], list[tuple[str, str]], bool]] = {
    "added": (["b"], [], [], [], False),
    "removed": ([], ["b"], [], [], False),
    "renamed": (["c"], ["a"], [], [("a", "c")], False),
    "reordered": ([], [], [], [], True),
    "retyped": ([], [], ["a", "b"], [], False),
    "key_retyped": ([], [], ["id"], [], False),
    "ignoring_added": (["note"], [], [], [], False),
}


# The literals of `audited` make DuckDB choose another width of decimal.
@pytest.mark.parametrize("name", [name for name in MODELS if name != "audited"])
def test_changed_columns_are_an_event_with_before_and_after(built: Built, name: str) -> None:
    events = built.trail.events(event_type="schema_change", target=built.trail.node(name))
    if name not in SCHEMA_CHANGES:
        assert events == []
        return
    (event,) = events
    found = event["metadata"]
    renamed = [(pair["before"], pair["after"]) for pair in found["perhaps_renamed"]]
    retyped = [column["name"] for column in found["retyped"]]
    assert (found["added"], found["removed"], retyped, renamed, found["reordered"]) == SCHEMA_CHANGES[name]
    assert found["after"] == built.trail.capture(name)["columns"]
    for column in found["retyped"]:
        assert {"name": column["name"], "type": column["before"]} in found["before"]
        assert {"name": column["name"], "type": column["after"]} in found["after"]
    assert event["part"] == event["target"]
