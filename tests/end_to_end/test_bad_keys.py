"""Record keys that do not identify records: what is refused, what the message says, and what stays as it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import recompute
from tests.support.project import Project, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

CAPTURED = "config: {meta: {audit_capture: changes, audit_key: id}}"
WARNED = "config: {meta: {audit_capture: changes, audit_key: id, audit_on_error: warn}}"
PLAIN = "config: {meta: {}}"
PAIR = "config: {meta: {audit_capture: changes, audit_key: [id, name]}}"
KEYLESS = "config: {meta: {audit_capture: changes}}"
BY_NAME = "config: {meta: {audit_capture: changes, audit_key: name}}"
NASTY_KEYS = ('it\'s "7"', "{{ this }} {% if %}", "100%s\nnaïve 🙂", "x'); drop table canary; --")


def twice(keys: tuple[str, ...]) -> str:
    """Rows in which every key comes twice."""
    quoted = [key.replace("'", "''") for key in keys + keys]
    return ", ".join(f"({n}, '{key}')" for n, key in enumerate(quoted))


GOOD = "(1, 'a'), (2, 'b'), (3, 'c')"
# model: (YAML, rows of the first build, rows of the second)
MODELS = {
    "no_key": (KEYLESS, GOOD, GOOD),
    "no_key_warned": (KEYLESS.replace("}}", ", audit_on_error: warn}}"), GOOD, GOOD),
    "empty_key": (CAPTURED.replace("audit_key: id", "audit_key: []"), GOOD, GOOD),
    "unknown_column": (CAPTURED.replace("audit_key: id", "audit_key: [id, nope]"), GOOD, GOOD),
    "unknown_word": ("config: {meta: {audit_capture: everything, audit_key: id}}", GOOD, GOOD),
    "first_repeated": (CAPTURED, "(1, 'a'), (1, 'b'), (2, 'c')", GOOD),
    "first_null": (CAPTURED, "(1, 'a'), (cast(null as integer), 'b')", GOOD),
    "first_warned": (WARNED, "(1, 'a'), (1, 'b')", GOOD),
    "many_repeated": (CAPTURED, ", ".join(f"({n // 2}, 'x')" for n in range(10, 20)), GOOD),
    "later_repeated": (CAPTURED, GOOD, "(1, 'a'), (2, 'b'), (2, 'new')"),
    "later_same_rows": (CAPTURED, GOOD, "(1, 'a'), (2, 'b'), (3, 'c'), (3, 'c')"),
    "later_inserted": (CAPTURED, GOOD, "(1, 'a'), (2, 'b'), (3, 'c'), (9, 'x'), (9, 'y')"),
    "later_null": (CAPTURED, GOOD, "(1, 'a'), (cast(null as integer), 'b')"),
    "later_null_pair": (PAIR, GOOD, "(1, 'a'), (2, cast(null as varchar)), (3, 'c')"),
    "later_warned": (WARNED, GOOD, "(1, 'a'), (2, 'b'), (2, 'new')"),
    "null_warned": (WARNED, GOOD, "(1, 'a'), (cast(null as integer), 'b')"),
    "previous_repeated": ((PLAIN, CAPTURED), "(1, 'a'), (1, 'b'), (2, 'c')", "(1, 'a'), (2, 'd')"),
    "previous_null": ((PLAIN, CAPTURED), "(1, 'a'), (cast(null as integer), 'b')", "(1, 'z'), (2, 'd')"),
    "previous_null_pair": ((PLAIN, PAIR), "(1, 'a'), (2, cast(null as varchar))", "(1, 'a'), (2, 'd')"),
    "previous_keyless": ((PLAIN, CAPTURED), "(1, 'a')", "(1, 'a'), (2, 'd')"),
    "repeats_that_cancel_out": ((PLAIN, CAPTURED), "(1, 'a'), (1, 'a'), (2, 'b')", "(1, 'a'), (2, 'b'), (2, 'b')"),
    "nasty_values": (BY_NAME, twice(NASTY_KEYS[:2]), GOOD),
    "nasty_injection": (BY_NAME, twice(NASTY_KEYS[2:]), GOOD),
    "canary": (PLAIN, GOOD, GOOD),
}  # fmt: skip
BAD_AT_FIRST = {
    "no_key", "empty_key", "unknown_column", "unknown_word", "first_repeated", "first_null", "many_repeated",
    "nasty_values", "nasty_injection",
}  # fmt: skip
BAD_LATER = {
    "no_key", "empty_key", "unknown_column", "unknown_word", "later_repeated", "later_same_rows",
    "later_inserted", "later_null", "later_null_pair", "repeats_that_cancel_out",
}  # fmt: skip


@dataclass(frozen=True)
class Built:
    """The project after two builds: what dbt printed in each, and the invocations."""

    trail: Trail
    output: tuple[str, str]
    invocations: list[str]

    def rows(self, model: str) -> list[tuple[Any, ...]]:
        found = self.trail.project.query(f'select * from "shop"."{model}"')
        return sorted((tuple(row.values()) for row in found), key=repr)

    def error(self, model: str, build: int) -> str:
        status, message = self.trail.outcome(model, self.invocations[build])
        assert status == "error" and message
        return message


def write_build(project: Project, build: int) -> None:
    described = ["models:"]
    for name, (yaml, *rows) in MODELS.items():
        columns = "code, name" if name == "previous_keyless" and build == 0 else "id, name"
        project.write(
            f"models/{name}.sql",
            "{{ config(materialized='table') }}\n{% raw %}\n"
            f"select * from (values {rows[build]}) as v({columns})\n{{% endraw %}}",
        )
        described += [f"  - name: {name}", f"    {yaml if isinstance(yaml, str) else yaml[build]}"]
    project.write("models/models.yml", "\n".join(described))


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("keys")
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target)
        output = []
        for build in (0, 1):
            write_build(project, build)
            done = project.dbt("run", check=False)
            assert done.returncode == 1
            output.append(done.stdout)
        trail = Trail(project)
        yield Built(trail, (output[0], output[1]), trail.invocations())


@pytest.mark.parametrize("build", [0, 1])
def test_only_models_with_a_bad_key_fail(built: Built, build: int) -> None:
    outcomes = {name: built.trail.outcome(name, built.invocations[build])[0] for name in MODELS}
    assert {name for name, status in outcomes.items() if status == "error"} == (BAD_AT_FIRST, BAD_LATER)[
        build
    ]
    assert set(outcomes.values()) == {"error", "success"}


def test_the_trail_is_whole(built: Built) -> None:
    assert recompute.problems(built.trail.project) == []


@pytest.mark.parametrize(
    "model", sorted(BAD_AT_FIRST - {"no_key", "empty_key", "unknown_column", "unknown_word"})
)
def test_a_refused_first_build_leaves_no_relation_and_the_next_one_is_the_first(
    built: Built, model: str
) -> None:
    assert built.trail.changes(model) == {}
    assert built.trail.capture(model)["mode"] == "first_build"
    assert built.trail.capture(model)["capture_no"] == 1
    assert built.rows(model) == [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.parametrize(
    "model", sorted(BAD_LATER & set(MODELS) - BAD_AT_FIRST - {"repeats_that_cancel_out"})
)
def test_a_refused_later_build_leaves_relation_and_trail_as_they_were(built: Built, model: str) -> None:
    assert built.rows(model) == [(1, "a"), (2, "b"), (3, "c")]
    assert built.trail.changes(model) == {}
    assert built.trail.capture(model)["mode"] == "first_build"
    assert built.trail.not_captured(model) == []


def test_repeats_that_cancel_out_in_the_counts_are_refused(built: Built) -> None:
    assert built.rows("repeats_that_cancel_out") == [(1, "a"), (1, "a"), (2, "b")]
    assert "1 key occurs more than once (id = 2)" in built.error("repeats_that_cancel_out", 1)


@pytest.mark.parametrize(
    ("model", "build", "parts"),
    [
        ("no_key", 0, ["it has no record key", "meta: {audit_key: [...]}", "unique test"]),
        ("empty_key", 0, ["it has no record key"]),
        ("unknown_column", 0, ["its key (id, nope, from audit_key)", "does not have: nope", "It has: id, name"]),
        ("unknown_word", 0, ["audit_capture is 'everything'", "`audit_capture: changes`"]),
        ("first_repeated", 0, ["1 key occurs more than once (id = 1)", "the key is id, from audit_key"]),
        ("first_null", 0, ["1 row has NULL in the key (id = NULL)", "Leave such rows out"]),
        ("many_repeated", 0, ["5 keys occur more than once (id = 5; id = 6; id = 7; …)"]),
        ("later_repeated", 1, ["1 key occurs more than once (id = 2)", "audit_key: [id, ...]"]),
        ("later_same_rows", 1, ["1 key occurs more than once (id = 3)"]),
        ("later_inserted", 1, ["1 key occurs more than once (id = 9)"]),
        ("later_null", 1, ["1 row has NULL in the key (id = NULL)"]),
        ("later_null_pair", 1, ["1 row has NULL in the key (id = 2, name = NULL)", "the key is id, name"]),
        ("nasty_values", 0, ["2 keys occur more than once", "it's \"7\"", "{{ this }} {% if %}"]),
        ("nasty_injection", 0, ["x'); drop table canary; --", "100%s\nnaïve 🙂"]),
    ],
)  # fmt: skip
def test_a_refusal_says_which_model_which_rows_and_what_to_do(
    built: Built, model: str, build: int, parts: list[str]
) -> None:
    recorded = built.error(model, build)
    assert f"{model}: " in recorded
    for part in parts:
        for text in (recorded, built.output[build]):
            # dbt indents every line of a message.
            assert " ".join(part.split()) in " ".join(text.split())
    if model != "unknown_word":
        assert f"{model}: cannot capture changes, " in recorded
        assert "stays as it was" in recorded
        assert "audit_on_error: warn" in recorded


@pytest.mark.parametrize(
    ("model", "build", "reason"),
    [
        ("no_key_warned", 0, "it has no record key"),
        ("first_warned", 0, "1 key occurs more than once (id = 1)"),
        ("later_warned", 1, "1 key occurs more than once (id = 2)"),
        ("null_warned", 1, "1 row has NULL in the key (id = NULL)"),
    ],
)
def test_a_warning_lets_the_model_pass_and_records_why_it_was_not_captured(
    built: Built, model: str, build: int, reason: str
) -> None:
    invocation = built.invocations[build]
    (recorded,) = built.trail.not_captured(model, invocation)
    assert reason in recorded
    assert built.trail.changes(model, invocation) == {}
    assert built.trail.capture(model, invocation) == {}
    assert f"{model}: its record changes are not captured: " in built.output[build]
    expected = {"later_warned": [(1, "a"), (2, "b"), (2, "new")], "null_warned": [(1, "a"), (None, "b")]}
    assert built.rows(model) == expected.get(model, [(1, "a"), (2, "b"), (3, "c")])


@pytest.mark.parametrize(
    ("model", "note"),
    [
        ("previous_repeated", "the previous table repeated keys"),
        ("previous_null", "the previous table had NULL in its key"),
        ("previous_null_pair", "the previous table had NULL in its key"),
        ("previous_keyless", "the previous table had no column id"),
    ],
)
def test_records_that_a_previous_table_cannot_tell_apart_start_a_new_history(
    built: Built, model: str, note: str
) -> None:
    capture = built.trail.capture(model)
    assert (capture["mode"], capture["note"], capture["rows_after"]) == ("first_build", note, 2)
    assert capture["fingerprint"]
    assert built.trail.changes(model) == {}


def test_a_key_that_went_bad_behind_a_warning_is_not_taken_for_checked(built: Built) -> None:
    """The third build of later_warned repeats another key, so that the counts of both tables agree."""
    project = built.trail.project
    project.write(
        "models/later_warned.sql",
        "{{ config(materialized='table') }}\n"
        "select * from (values (1, 'a'), (1, 'a'), (2, 'b')) as v(id, name)",
    )
    project.write("models/models.yml", f"models:\n  - name: later_warned\n    {WARNED}")
    project.dbt("run", "--select", "later_warned")

    last = built.trail.invocations()[-1]
    assert [
        "1 key occurs more than once (id = 1)" in reason
        for reason in built.trail.not_captured("later_warned", last)
    ] == [True]


def test_nothing_in_a_key_reached_sql(built: Built) -> None:
    assert built.rows("canary") == [(1, "a"), (2, "b"), (3, "c")]
