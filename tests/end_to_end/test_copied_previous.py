"""Models whose previous table dbt does not keep until the end: it is copied, and the capture compares with the copy."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from batch_audit.history.as_of import write_as_of
from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, write_project
from tests.support.trail import Change, Trail, database

pytestmark = pytest.mark.slow

COPY = "{{ batch_audit.copy_previous() }}"
META = "meta={'audit_capture': 'changes', 'audit_key': 'id'%s}"
COPIED = META % ", 'audit_previous': 'copy'"
FEED = "select id, parent, note from raw.feed"
FAILS = (
    "{% if var('fail', false) %} union all select cast('x' || max(note) as integer), 1, 'x' from raw.feed"
    "{% endif %}"
)
# A pre-hook of the model's own, which changes the table that is to be replaced.
EDIT = (
    "{% if execute and load_cached_relation(this) %}update {{ this }} set parent = 9 where id = 3{% endif %}"
)
DESCRIBED = """
models:
  - name: parent
    config: &linked {contract: {enforced: true}, meta: {audit_capture: changes, audit_key: id}}
    columns:
      - {name: id, data_type: integer, constraints: [{type: primary_key}]}
  - name: child
    config: *linked
    columns: &child
      - {name: id, data_type: integer}
      - name: parent
        data_type: integer
        constraints: [{type: foreign_key, to: ref('parent'), to_columns: [id]}]
      - {name: note, data_type: varchar}
  - name: grown
    config: *linked
    columns: *child
"""
CHILD = FEED + " where parent in (select id from {{ ref('parent') }})"
FILES = {
    "models/parent.sql": "select distinct parent as id from raw.feed",
    "models/child.sql": CHILD + FAILS,
    "models/grown.sql": "{{ config(materialized='incremental', unique_key='id', on_schema_change='fail') }} "
    + CHILD,
    "models/models.yml": DESCRIBED,
    "models/copied.sql": f"{{{{ config({COPIED}, pre_hook='{EDIT}') }}}} {FEED}{FAILS}",
    "models/was_view.sql": f"{{{{ config(materialized=var('was', 'view'), {COPIED}) }}}} {FEED}",
    "models/never.sql": f"{{{{ config({COPIED}, enabled=var('bad', false)) }}}} {FEED}",
}
LOAD = (
    "create table raw.feed as select * from"
    " (values (1, 1, 'one'), (2, 1, 'two'), (3, 2, 'three')) as v(id, parent, note)",
    "update raw.feed set note = 'TWO' where id = 2; delete from raw.feed where id = 3;"
    " insert into raw.feed values (4, 3, 'four')",
    "update raw.feed set note = 'lost'",
)
FULL = (
    (),
    ("--full-refresh", "--vars", "{was: table}"),
    ("--full-refresh", "--vars", "{was: table, fail: true}"),
)


@dataclass(frozen=True)
class Built:
    """A project after its builds, the last of which fails in two models; what the tables held after each."""

    trail: Trail
    outputs: list[str] = field(default_factory=list)
    states: list[dict[str, list[dict[str, object]]]] = field(default_factory=list)

    @property
    def linked(self) -> list[str]:
        return ["child", "grown"] if self.trail.project.target.engine == "duckdb" else []


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("copied")
    files = {k: v for k, v in FILES.items() if request.param == "duckdb" or "copied" in k or "was_view" in k}
    config = {
        "dispatch": DISPATCH,
        "models": {"+materialized": "table", "+post-hook": HOOK, "+pre-hook": COPY},
    }
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target, files=files, config=config)
        project.query("create schema raw")
        made = Built(Trail(project))
        for load, args in zip(LOAD, FULL, strict=True):
            project.query(load)
            failing = "fail" in "".join(args)
            made.outputs.append(forks.dbt(project, "run", *args, expect=int(failing)).output)
            made.states.append(
                {
                    name: project.query(f'select id, parent, note from "{target.schema}".{name} order by id')
                    for name in [*made.linked, "copied", "was_view"]
                }
            )
        yield made


def test_the_changes_are_those_between_the_tables(built: Built) -> None:
    second = built.trail.invocations()[1]
    for name in [*built.linked, "copied"]:
        assert built.trail.capture(name, second)["mode"] == "changes", name
        found = {
            key: (change.kind, change.changed) for key, change in built.trail.changes(name, second).items()
        }
        assert found == {"2": ("update", ("note",)), "3": ("delete", None), "4": ("insert", None)}, name
        assert built.trail.events(event_type="out_of_band_change", target=built.trail.node(name)) == []


def test_the_copy_is_of_the_table_before_the_models_own_pre_hook(built: Built) -> None:
    gone = built.trail.changes("copied", built.trail.invocations()[1])["3"]
    assert gone == Change("delete", None, {"id": "3", "parent": "2", "note": "three"}, None)


def test_a_first_build_and_one_after_a_view_have_nothing_to_compare_with(built: Built) -> None:
    first, second, _ = built.trail.invocations()
    for name, invocation in [*((name, first) for name in [*built.linked, "copied"]), ("was_view", second)]:
        assert built.trail.capture(name, invocation)["mode"] == "first_build", name


def test_a_model_that_fails_leaves_its_table_and_no_event(built: Built) -> None:
    third = built.trail.invocations()[2]
    for name in ["copied", *built.linked[:1]]:
        assert built.states[2][name] == built.states[1][name], name
        assert built.trail.capture(name, third) == {}, name


def test_no_copy_is_left_behind(built: Built) -> None:
    left = built.trail.project.query(
        "select table_name from information_schema.tables where table_name like '%batch_audit_%'"
    )
    assert left == []


def test_the_tables_can_be_made_again(built: Built) -> None:
    batch = built.trail.events(event_type="batch_start")[0]["batch_id"]
    schema = built.trail.project.target.schema
    with closing(built.trail.project.warehouse()) as warehouse:
        for name in [*built.linked[:1], "copied"]:
            write_as_of(warehouse, name, batch, f"{schema}.then", from_baseline=False, replace=True)
            rows = built.trail.project.query(f'select id, parent, note from "{schema}".then order by id')
            assert rows == built.states[0][name], name


def test_the_store_proves_itself(built: Built) -> None:
    assert recompute.problems(built.trail.project) == []


@pytest.mark.parametrize("asked", ["clone", "True"])
def test_an_unknown_way_is_refused(built: Built, forks: Forks, asked: str) -> None:
    meta = f"{{audit_capture: changes, audit_key: id, audit_previous: {asked}}}"
    built.trail.project.write(
        "models/never.yml", f"models: [{{name: never, config: {{enabled: true, meta: {meta}}}}}]"
    )
    built.trail.project.write("models/never.sql", FEED)
    done = forks.dbt(built.trail.project, "run", "--select", "never", expect=1)
    said = " ".join(done.output.split())
    assert f"never: audit_previous is '{asked}', which batch_audit does not know" in said
    assert "Write `audit_previous: copy`, or leave it out." in said


def test_without_the_pre_hook_the_batch_says_so(built: Built, forks: Forks) -> None:
    """The last of the tests: it changes the project."""
    project = built.trail.project
    project.write("dbt_project.yml", project.read("dbt_project.yml").replace(COPY, "select 1"))
    forks.dbt(project, "run", "--select", "copied", "was_view", "--vars", "{was: table}")
    invocation = built.trail.invocations()[-1]
    for name in ("copied", "was_view"):
        (reason,) = built.trail.not_captured(name, invocation)
        assert (
            "asks for a copy of its previous table (audit_previous)" in reason
            and "batch-audit init" in reason
        )
