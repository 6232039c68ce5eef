"""Nodes that ask for capture and cannot be captured: said once, with the reason, and recorded as such."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support import recompute
from tests.support.project import HOOK, Project, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

META = "meta={'audit_capture': 'changes', 'audit_key': 'id'}"
ONLY_TABLES = "captured for tables, incremental models, seeds and snapshots, and this one is materialized as "
UNDISPATCHED = "`dispatch` in dbt_project.yml must name batch_audit before dbt"
MISSING = "the hook {{ batch_audit.capture() }} is missing from its post-hooks"
# path below models/: (materialization, its own configuration); only the models in hooked/ have the project's hook.
MODELS = {
    "hooked/viewed": ("view", META),
    "hooked/appended": ("incremental", META),
    "hooked/inlined": ("ephemeral", META),
    "hooked/hooks_add_up": ("table", META + ", post_hook='select 1'"),
    "hooked/switched_off": ("table", META + ", enabled=false"),
    "hooked/says_off": ("table", "meta={'audit_capture': 'off'}"),
    "bare/viewed_bare": ("view", META),
    "bare/hookless": ("table", META),
    "bare/other_hook": ("table", META + ", post_hook='select 1'"),
    "bare/misspelt": ("table", "meta={'audit_capture': 'everything'}"),
    "bare/own_hook": ("table", META + ", post_hook='{{ batch_audit.capture() }}'"),
    "bare/failing": ("table", META),
    "bare/skipped": ("table", META),
    "bare/reader": ("table", ""),
}
SELECTS = {
    "bare/failing": "select no_such_column",
    "bare/skipped": "select * from {{ ref('failing') }}",
    "bare/reader": "select * from {{ ref('inlined') }}",
}
# unique_id: (the part that the event lies in, how the reason goes)
EXPECTED = {
    "model.shop.viewed": ("model.shop.viewed", ONLY_TABLES + "view"),
    "model.shop.inlined": ("end", ONLY_TABLES + "ephemeral"),
    "model.shop.viewed_bare": ("end", ONLY_TABLES + "view"),
    "model.shop.hookless": ("end", MISSING),
    "model.shop.other_hook": ("end", MISSING),
    "model.shop.misspelt": ("end", "audit_capture is 'everything', which batch_audit does not know"),
    "seed.shop.planted": ("end", UNDISPATCHED),
    "snapshot.shop.kept": ("end", UNDISPATCHED),
}
CAPTURED = ["appended", "hooks_add_up", "own_hook"]
SILENT = ["switched_off", "says_off", "failing", "skipped", "reader"]
SNAPSHOT = """
{% snapshot kept %}
{{ config(unique_key='id', strategy='check', check_cols='all', meta={'audit_capture': 'changes'}) }}
select 1 as id
{% endsnapshot %}
"""
DESCRIBED = """
models:
  - {name: own_hook, columns: [{name: id, data_tests: [accepted_values: {name: other, arguments: {values: [2]}}]}]}
"""


@dataclass(frozen=True)
class Built:
    """The project after one build, and what dbt printed."""

    trail: Trail
    output: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("not_captured")
    files = {
        "seeds/planted.csv": "id\n1\n",
        "snapshots/kept.sql": SNAPSHOT,
        "models/described.yml": DESCRIBED,
    }
    for path, (materialized, config) in MODELS.items():
        select = SELECTS.get(path, "select 1 as id")
        files[f"models/{path}.sql"] = f"{{{{ config(materialized='{materialized}', {config}) }}}}\n{select}"
    configured = {
        "models": {"shop": {"hooked": {"+post-hook": HOOK}}},
        "seeds": {"+meta": {"audit_capture": "changes"}},
    }
    with database("duckdb", folder) as target:
        project = write_project(
            folder / "project", target, files=files, hook=False, config=configured,
            variables={"batch_audit_max_test_rows": 0},
        )  # fmt: skip
        done = project.dbt("build", check=False)
        assert done.returncode == 1
        yield Built(Trail(project), done.stdout)


def test_every_node_that_asked_in_vain_has_one_event_with_its_reason(built: Built) -> None:
    events = built.trail.events(event_type="not_captured")
    assert sorted(event["target"] for event in events) == sorted(EXPECTED)
    for event in events:
        part, reason = EXPECTED[event["target"]]
        assert event["part"] == part
        assert reason in event["metadata"]["reason"]
        assert event["metadata"]["materialized"]


def test_every_reason_is_a_warning_of_dbt_once(built: Built) -> None:
    text = " ".join(built.output.split())
    for unique_id, (_, reason) in EXPECTED.items():
        name = unique_id.rpartition(".")[2]
        said = text.split(f" {name}: its record changes are not captured: ")
        assert len(said) == 2, f"{name} was warned of {len(said) - 1} times"
        assert reason in said[1].split(" its record changes are not captured: ")[0]


def test_hooks_of_a_model_add_to_those_of_its_project(built: Built) -> None:
    assert [built.trail.capture(name).get("mode") for name in CAPTURED] == ["first_build"] * len(CAPTURED)


@pytest.mark.parametrize("name", SILENT)
def test_what_did_not_ask_or_was_not_built_is_not_spoken_of(built: Built, name: str) -> None:
    assert built.trail.not_captured(name) == []
    assert built.trail.capture(name) == {}
    assert f"{name}: its record changes" not in built.output


def test_a_cap_of_no_rows_keeps_none_and_says_so(built: Built) -> None:
    assert built.trail.events(event_type="record_error") == []
    (found,) = built.trail.events(event_type="validation_fail")
    assert found["metadata"]["failures"] == 1
    assert found["metadata"]["rows_capped"] is True
    assert found["metadata"]["rows_reason"] == "batch_audit_max_test_rows is 0"


def test_the_batch_is_closed_counted_and_sealed(built: Built) -> None:
    (end,) = built.trail.events(event_type="batch_end")
    counted = {
        name: end["metadata"][name]
        for name in ("nodes", "ok", "errors", "skipped", "tests_failed", "record_errors")
    }
    assert counted == {
        "nodes": 14,
        "ok": 12,
        "errors": 1,
        "skipped": 1,
        "tests_failed": 1,
        "record_errors": 0,
    }
    assert recompute.problems(built.trail.project) == []


def test_a_change_in_place_without_the_dispatch_is_said_and_the_next_full_build_is_captured(
    make_project: Callable[..., Project],
) -> None:
    meta = META.replace("'audit_key'", "'audit_baseline': 'records', 'audit_key'")
    sql = f"{{{{ config(materialized='incremental', unique_key='id', {meta}) }}}} select 1 as id, 'NOTE' as note"
    project = make_project(files={"models/noted.sql": sql})
    for note in ("one", "two", "three"):
        project.write("models/noted.sql", sql.replace("NOTE", note))
        project.dbt("run", *(["--full-refresh"] if note == "three" else []))
    trail = Trail(project)
    (event,) = trail.events(event_type="not_captured")
    assert UNDISPATCHED in event["metadata"]["reason"]
    changes = [
        (event["change_type"], event["old_value"], event["new_value"])
        for event in project.audit(
            "select e.change_type, p.old_value, p.new_value from {audit}.audit_event e join {audit}.audit_payload p"
            " on p.event_id = e.event_id where e.event_type = 'record_write' order by e.occurred_at"
        )
    ]
    assert changes == [
        ("insert", None, '{"id":"1","note":"one"}'),
        ("update", '{"id":"1","note":"two"}', '{"id":"1","note":"three"}'),
    ]
