"""Where the capture hook stands: once, twice, too early, too late, missing, and what fails after it."""

from collections.abc import Iterator

import pytest

from tests.support import recompute
from tests.support.project import write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

EXPLICIT = "{{ batch_audit.capture_changes(key='id') }}"
LINE = "{{ batch_audit.capture() }}"
# model: (materialization, meta, its own hooks)
MODELS = {
    "by_meta": ("table", {"audit_capture": "changes", "audit_key": "id"}, {}),
    "by_line": ("table", {}, {"post-hook": EXPLICIT}),
    "by_both": ("table", {"audit_capture": "changes", "audit_key": "id"}, {"post-hook": EXPLICIT}),
    "by_meta_twice": ("table", {"audit_capture": "changes", "audit_key": "id"}, {"post-hook": LINE}),
    "by_line_twice": ("table", {}, {"post-hook": [EXPLICIT, EXPLICIT]}),
    "view_twice": ("view", {"audit_capture": "changes", "audit_key": "id"}, {"post-hook": LINE}),
    "view_by_line": ("view", {}, {"post-hook": EXPLICIT}),
    "too_early": ("table", {}, {"pre-hook": EXPLICIT}),
    "too_late": ("table", {}, {"post-hook": {"sql": EXPLICIT, "transaction": False}}),
    "failing_later": (
        "table",
        {"audit_capture": "changes", "audit_key": "id"},
        {"post-hook": "select * from \"no_such\" -- it's {{ '{{' }} 100%s \\ é"},
    ),
    "not_asked": ("table", {}, {}),
}
CAPTURED = ["by_meta", "by_line", "by_both", "by_meta_twice", "by_line_twice"]
REASONS = {
    "view_twice": "seeds and snapshots, and this one is materialized as view",
    "view_by_line": "seeds and snapshots, and this one is materialized as view",
    "too_early": "stands in a pre-hook",
    "too_late": "runs after the model's transaction",
}


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """Two builds: record 1 is changed. failing_later breaks in the second."""
    folder = tmp_path_factory.mktemp("hooks")
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target)
        for build, note in enumerate(("old", "new")):
            for name, (materialized, meta, hooks) in MODELS.items():
                used = {} if name == "failing_later" and build == 0 else hooks
                config = f"{{{{ config(materialized='{materialized}', meta={meta!r}, **{used!r}) }}}}"
                project.write(
                    f"models/{name}.sql",
                    f"{config.replace('{}', 'dict()')}\nselect 1 as id, '{note}' as note",
                )
            assert project.dbt("run", check=False).returncode == build
        yield Trail(project)


@pytest.mark.parametrize("name", CAPTURED)
def test_a_model_is_captured_once_however_many_hooks_ask_for_it(trail: Trail, name: str) -> None:
    changes = trail.changes(name)
    assert [(record, change.kind, change.changed) for record, change in changes.items()] == [
        ("1", "update", ("note",))
    ]
    assert trail.capture(name)["capture_no"] == 2
    assert trail.not_captured(name) == []


@pytest.mark.parametrize("name", sorted(REASONS))
def test_a_hook_that_cannot_capture_says_so_once_per_build(trail: Trail, name: str) -> None:
    reasons = trail.not_captured(name)
    assert len(reasons) == 2
    assert REASONS[name] in reasons[0]
    assert trail.capture(name) == {}
    assert trail.outcome(name) == ("success", None)


def test_what_fails_after_a_capture_takes_the_capture_back(trail: Trail) -> None:
    status, message = trail.outcome("failing_later")
    assert status == "error" and message and "no_such" in message
    assert trail.changes("failing_later") == {}
    assert trail.capture("failing_later")["mode"] == "first_build"
    assert trail.project.query('select note from "shop".failing_later') == [{"note": "old"}]


def test_a_model_that_does_not_ask_has_its_checkpoint_alone(trail: Trail) -> None:
    events = trail.events(target=trail.node("not_asked"))
    assert {event["event_type"] for event in events} == {"checkpoint"}
    assert {event["part"] for event in events} == {"end"}


def test_the_trail_is_whole(trail: Trail) -> None:
    assert recompute.problems(trail.project) == []
