"""dbt alone, without the runner: what its hooks leave in the store, whatever the command and however it ends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import recompute
from tests.support.forked import Done, Forks
from tests.support.project import Project, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

NASTY = "it's \"7\" {{ this }} {% if %} {# c #} C:\\new\\x %s %(n)s :name 100% é 🙂 $$ E'' '); drop table canary; -- |~"
QUOTED = NASTY.replace("'", "''")
BATCH = {
    "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_BATCH_ID": "evening",
    "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_BATCH_MONTH": "2026-01",
}
ORDERS = "select order_id, {} as status from {{{{ ref('raw_orders') }}}}"
GOOD = {
    "models/orders.sql": ORDERS.format("status"),
    "models/raised.sql": "select 1 as id",
    "tests/orders_are_numbered.sql": "select * from {{ ref('orders') }} where order_id < 1",
}
BROKEN = {
    "models/orders.sql": ORDERS.format(f"{{% raw %}}cast('{QUOTED}' as integer){{% endraw %}}"),
    "models/raised.sql": (
        f"{{% set message %}}{{% raw %}}{NASTY}\nsecond line{{% endraw %}}{{% endset %}}"
        "{% if execute %}{{ exceptions.raise_compiler_error(message) }}{% endif %}select 1 as id"
    ),
    "tests/orders_are_numbered.sql": (
        f"select * from {{{{ ref('canary') }}}} where id < {{% raw %}}cast('{QUOTED}' as integer){{% endraw %}}"
    ),
}
HOOK = (
    "{% macro WHO_hook(when) %}{% if execute and when in env_var('WHO_FAILS', '') %}"
    f"{{% raw %}}select cast('{QUOTED}' as integer){{% endraw %}}"
    "{% else %}select 1{% endif %}{% endmacro %}"
)
FILES = {
    **GOOD,
    "seeds/raw_orders.csv": "order_id,status\n1,new\n2,new\n3,paid\n",
    "models/revenue.sql": "{{ config(materialized='view') }} select count(*) as n from {{ ref('orders') }}",
    "models/canary.sql": "select 1 as id",
    "models/models.yml": """
models:
  - name: orders
    config: {meta: {audit_capture: changes}}
    columns:
      - {name: order_id, data_tests: [unique, not_null]}
snapshots:
  - name: orders_history
    relation: ref('orders')
    config: {strategy: check, unique_key: order_id, check_cols: all}
""",
    "macros/hooks.sql": HOOK.replace("WHO", "shop"),
    "macros/hello.sql": "{% macro hello() %}{% do run_query('select 1') %}{% endmacro %}",
    "dbt_packages/a_first/macros/hooks.sql": HOOK.replace("WHO", "a_first"),
    "dbt_packages/a_first/dbt_project.yml": yaml.safe_dump(
        {
            "name": "a_first", "version": "1.0.0", "config-version": 2, "profile": "a_first",
            "on-run-start": "{{ a_first.a_first_hook('start') }}", "on-run-end": "{{ a_first.a_first_hook('end') }}",
        }
    ),
}  # fmt: skip
CONFIG = {
    "models": {"+post-hook": "{{ batch_audit.capture() }}", "shop": {"+materialized": "table"}},
    "on-run-start": "{{ shop_hook('start') }}",
    "on-run-end": "{{ shop_hook('end') }}",
}


@dataclass
class History:
    """A project, and by the name of a step: its invocation (if the audit knows it), what dbt printed, its results."""

    project: Project
    invocations: dict[str, str] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def trail(self) -> Trail:
        return Trail(self.project)

    def step(
        self, forks: Forks, name: str, *args: str, expect: int = 0, env: dict[str, str] | None = None
    ) -> None:
        known = set(self.invocations.values())
        self.done[name] = forks.dbt(self.project, *args, env=env, expect=expect)
        self.results[name] = json.loads(self.project.read("target/run_results.json"))
        new = set(self.trail.invocations()) - known
        if new:
            (self.invocations[name],) = new

    def message(self, name: str, unique_id: str) -> str:
        """What dbt's own results say of a node."""
        (result,) = [row for row in self.results[name]["results"] if row["unique_id"].startswith(unique_id)]
        return str(result["message"])

    def told(self, name: str) -> list[tuple[str, str, str | None]]:
        """What the store says of a step: type, node and status of each event; what ended in any order is sorted."""
        rows = self.trail.events(invocation_id=self.invocations[name])
        assert {row["segment"] for row in rows} == {self.invocations[name]}
        rows.sort(key=lambda row: row["seq"])
        parts = {part: [row for row in rows if row["part"] == part] for part in {row["part"] for row in rows}}
        started, ended = parts.pop("run"), parts.pop("end", [])
        said = [
            self._said(row) for part in [started, *(parts[part] for part in sorted(parts))] for row in part
        ]
        return [*said, *sorted(map(self._said, ended[:-1])), *map(self._said, ended[-1:])]

    def _said(self, row: dict[str, Any]) -> tuple[str, str, str | None]:
        return row["event_type"], (row["source"] or row["target"] or "..").split(".")[2], self._state(row)

    def _state(self, row: dict[str, Any]) -> str | None:
        metadata = row["metadata"] or {}
        state: str | None = metadata.get("status") or metadata.get("mode") or row["change_type"]
        return state

    def start(self, name: str) -> dict[str, Any]:
        (row,) = self.trail.events(event_type="batch_start", invocation_id=self.invocations[name])
        return row

    def totals(self, name: str) -> dict[str, Any]:
        """The counts of a step's batch_end that are not zero, and its status."""
        (row,) = self.trail.events(event_type="batch_end", invocation_id=self.invocations[name])
        return {key: value for key, value in row["metadata"].items() if value}

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            self.project.write(path, text)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[History]:
    folder = tmp_path_factory.mktemp("plain")
    with database(request.param, folder) as target:
        told = History(write_project(folder / "project", target, files=FILES, config=CONFIG))
        told.step(forks, "seed", "seed")
        told.step(forks, "run", "run", "--select", "orders", "revenue", "canary", "--exclude", "canary")
        told.step(forks, "test", "test", "--exclude", "orders_are_numbered")
        told.step(forks, "snapshot", "snapshot", env=BATCH)
        told.project.write(
            "models/orders.sql", ORDERS.format("case when order_id = 2 then 'paid' else status end")
        )
        told.step(forks, "refresh", "run", "--full-refresh", "--select", "orders", env=BATCH)
        told.write(BROKEN)
        told.step(forks, "build", "build", "--exclude", "resource_type:seed", expect=1)
        told.write(GOOD)
        told.step(forks, "retry", "retry")
        told.step(forks, "skipped", "run", "--exclude", "raised", expect=1, env={"a_first_FAILS": "start"})
        yield told


def test_a_seed_a_snapshot_and_a_test_alone_are_batches(history: History) -> None:
    assert history.told("seed") == [
        ("batch_start", "", None),
        ("checkpoint", "raw_orders", "success"),
        ("batch_end", "", "success"),
    ]
    assert history.totals("seed") == {"status": "success", "nodes": 1, "ok": 1}
    assert history.told("test") == [
        ("batch_start", "", None),
        ("validation_pass", "not_null_orders_order_id", "pass"),
        ("validation_pass", "unique_orders_order_id", "pass"),
        ("batch_end", "", "success"),
    ]
    assert history.totals("test") == {"status": "success", "tests_passed": 2}
    assert history.told("snapshot") == [
        ("batch_start", "", None),
        ("checkpoint", "orders_history", "success"),
        ("batch_end", "", "success"),
    ]
    assert history.totals("snapshot") == {"status": "success", "nodes": 1, "ok": 1}


def test_a_captured_table_is_captured_in_a_full_refresh_too(history: History) -> None:
    assert history.told("run") == [
        ("batch_start", "", None),
        ("checkpoint", "orders", "first_build"),
        ("record_read", "raw_orders", None),
        ("checkpoint", "orders", "success"),
        ("checkpoint", "revenue", "success"),
        ("batch_end", "", "success"),
    ]
    assert history.told("refresh") == [
        ("batch_start", "", None),
        ("checkpoint", "orders", "changes"),
        ("record_write", "orders", "update"),
        ("record_read", "raw_orders", None),
        ("checkpoint", "orders", "success"),
        ("batch_end", "", "success"),
    ]
    assert history.totals("refresh") == {"status": "success", "nodes": 1, "ok": 1, "updates": 1}
    change = history.trail.changes("orders", history.invocations["refresh"])["2"]
    assert (change.changed, change.before, change.after) == (
        ("status",),
        {"order_id": "2", "status": "new"},
        {"order_id": "2", "status": "paid"},
    )


def test_a_start_says_what_was_asked_of_dbt(history: History) -> None:
    said = {name: history.start(name)["metadata"] for name in history.invocations}
    assert {name: start["dbt_command"] for name, start in said.items()} == {
        "seed": "seed", "run": "run", "test": "test", "snapshot": "snapshot", "refresh": "run", "build": "build",
        "retry": "retry", "skipped": "run",
    }  # fmt: skip
    assert {start["command"] for start in said.values()} == {f"dbt {s['dbt_command']}" for s in said.values()}
    assert said["run"]["selection"] == {
        "select": ["orders", "revenue", "canary"], "exclude": ["canary"], "selector": None,
    }  # fmt: skip
    assert said["retry"]["selection"] == said["build"]["selection"]
    assert [name for name, start in said.items() if start["full_refresh"]] == ["refresh"]


def test_two_invocations_of_one_batch_have_a_segment_each(history: History) -> None:
    for name in ("snapshot", "refresh"):
        assert (history.start(name)["batch_id"], history.start(name)["batch_month"]) == ("evening", "2026-01")
    segments = history.project.audit(
        "select segment, batch_month, invocation_id, writer from {audit}.audit_segment"
        " where batch_id = 'evening' order by opened_at"
    )
    assert [tuple(row.values()) for row in segments] == [
        (history.invocations[name], "2026-01", history.invocations[name], "hooks") for name in ("snapshot", "refresh")
    ]  # fmt: skip


def test_a_failed_model_leaves_its_table_and_what_stood_on_it_is_skipped(history: History) -> None:
    told = history.told("build")
    assert told[1:-1] == [
        ("checkpoint", "canary", "success"),
        ("checkpoint", "not_null_orders_order_id", "skipped"),
        ("checkpoint", "orders", "error"),
        ("checkpoint", "orders_history", "skipped"),
        ("checkpoint", "raised", "error"),
        ("checkpoint", "revenue", "skipped"),
        ("checkpoint", "unique_orders_order_id", "skipped"),
        ("validation_fail", "orders_are_numbered", "error"),
    ]
    assert history.totals("build") == {
        "status": "error", "nodes": 5, "ok": 1, "errors": 2, "skipped": 2, "tests_errored": 1, "tests_skipped": 2,
    }  # fmt: skip
    assert history.trail.capture("orders", history.invocations["build"]) == {}


@pytest.mark.parametrize("node", ["model.shop.orders", "model.shop.raised", "test.shop.orders_are_numbered"])
def test_an_error_message_is_stored_as_dbt_has_it(history: History, node: str) -> None:
    expected = history.message("build", node)
    assert NASTY in expected
    (event,) = [
        row
        for row in history.trail.events(invocation_id=history.invocations["build"], part="end")
        if node in (row["target"], row["source"])
    ]
    assert event["error_message"] == expected
    assert event["metadata"]["message"] == expected


def test_a_retry_records_what_it_took_up(history: History) -> None:
    told = history.told("retry")
    assert told[1] == ("checkpoint", "orders", "changes")
    assert told[3] == ("record_read", "raw_orders", None)
    assert told[4:-1] == [
        ("checkpoint", "orders", "success"),
        ("checkpoint", "orders_history", "success"),
        ("checkpoint", "raised", "success"),
        ("checkpoint", "revenue", "success"),
        ("validation_pass", "not_null_orders_order_id", "pass"),
        ("validation_pass", "orders_are_numbered", "pass"),
        ("validation_pass", "unique_orders_order_id", "pass"),
    ]
    assert history.totals("retry") == {
        "status": "success", "nodes": 4, "ok": 4, "tests_passed": 3, "updates": 1,
    }  # fmt: skip
    assert history.trail.capture("orders", history.invocations["retry"])["capture_no"] == 3
    assert history.trail.changes("orders", history.invocations["retry"])["2"].before == {
        "order_id": "2",
        "status": "paid",
    }


def test_a_start_that_dbt_skips_is_made_up_for_at_the_end(history: History) -> None:
    """The hook of a package before ours failed, so dbt skipped ours: nothing may be captured, the batch is told."""
    hook = "a_first-on-run-start-0"
    assert history.told("skipped") == [
        ("batch_start", "", None),
        ("checkpoint", hook, "error"),
        ("checkpoint", "canary", "success"),
        ("checkpoint", "orders", "error"),
        ("checkpoint", "revenue", "skipped"),
        ("batch_end", "", "error"),
    ]
    assert (
        "0 segments are registered for this run, because an on-run-start hook of the project or of another package"
        " failed before the audit could start; mend it and run again"
    ) in history.message("skipped", "model.shop.orders")
    (event,) = history.trail.events(target=f"operation.a_first.{hook}")
    assert event["error_message"] == history.message("skipped", f"operation.a_first.{hook}")
    assert NASTY in event["error_message"]


def test_nothing_in_a_message_reached_sql_and_the_store_proves_itself(history: History, forks: Forks) -> None:
    assert history.project.query('select count(*) as n from "shop".canary') == [{"n": 1}]
    rows = history.project.query('select order_id, status from "shop".orders order by order_id')
    assert [tuple(row.values()) for row in rows] == [(1, "new"), (2, "new"), (3, "paid")]
    assert recompute.problems(history.project) == []
    forks.batch_audit(history.project, "verify")


def test_commands_that_build_nothing_write_nothing(tmp_path: Path, forks: Forks) -> None:
    with database("duckdb", tmp_path) as target:
        project = write_project(tmp_path / "project", target, files=FILES, config=CONFIG)
        for command in [
            "parse", "compile --exclude orders_are_numbered", "ls", "docs generate --no-compile", "show --inline SQL",
            "source freshness", "debug", "run-operation hello", "build --select no_such_model",
        ]:  # fmt: skip
            forks.dbt(project, *["select 1 as one" if word == "SQL" else word for word in command.split()])
        forks.dbt(project, "build", "--profile", "no_such_profile", expect=2)
        forks.dbt(project, "build", "--target", "no_such_target", expect=2)
        project.write("models/broken.sql", "select * from {{ ref('no_such_model') }}")
        assert "no_such_model" in forks.dbt(project, "build", expect=2).output
        project.write("models/broken.sql", "select 1 as id")
        project.write("models/broken.yml", "models: [{name: broken, columns: {")
        assert "broken.yml" in forks.dbt(project, "build", expect=2).output

        schemas = project.query("select schema_name from duckdb_schemas() where not internal")
        assert schemas == []
        assert project.query("select table_name from duckdb_tables()") == []

        (project.root / "models" / "broken.yml").unlink()
        an_end_that_dbt_skips_is_made_up_for_by_seal(History(project), forks)


def an_end_that_dbt_skips_is_made_up_for_by_seal(history: History, forks: Forks) -> None:
    """The hook of a package before ours failed, and dbt skipped ours: no hook can tell the end then."""
    history.step(forks, "skipped", "run", "--select", "canary", expect=1, env={"a_first_FAILS": "end"})
    assert history.told("skipped") == [("batch_start", "", None)]
    forks.batch_audit(history.project, "seal", "--all")
    (end,) = history.trail.events(event_type="batch_end", batch_id=history.invocations["skipped"])
    assert end["metadata"]["status"] == "incomplete"
    assert recompute.problems(history.project) == []
