"""The demo, run as a user runs it, against what its CSV drops alone say must be on record."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from batch_audit.demonstration import FIRST_DROP, SECOND_DROP, Step, prepare_folder, run_step
from batch_audit.errors import BatchAuditError, ConfigurationError
from batch_audit.package import demo_dir
from batch_audit.trace.reader import Reader
from batch_audit.trace.start import codes_on_record
from tests.end_to_end import demo_expectation as expected
from tests.support.project import Project
from tests.support.target import Target
from tests.support.tracing import replay_every_record

AUDIT_COLUMNS = ("audit_batch_id", "audit_loaded_at", "audit_record_hash")
SNAPSHOT_COLUMNS = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to")
MODELS = ("customers", "customers_history", "orders", "payments", "rejected_orders", "customer_revenue")
KINDS = {"customers_history": "snapshot"}
FIRST, SECOND = demo_dir() / "drops" / FIRST_DROP, demo_dir() / "drops" / SECOND_DROP


@dataclass(frozen=True)
class Demo:
    """A demo that has run: its project and what the command printed as JSON."""

    project: Project
    story: dict[str, Any]

    @property
    def batches(self) -> list[str]:
        return [batch["batch_id"] for batch in self.story["batches"]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo on DuckDB, in a folder whose name needs quoting."""
    root = tmp_path_factory.mktemp("demo") / "l'été à deux"
    project = Project(root, Target(engine="duckdb", database="warehouse", path=root / "warehouse.duckdb"))
    done = subprocess.run(
        [sys.executable, "-m", "batch_audit", "demo", str(root), "--format", "json"],
        env=project.environment(), cwd=root.parent, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    sys.stdout.write(f"{done.stderr}\nThe demo took {story['seconds']} s.\n")
    return Demo(project, story)


def stored_changes(project: Project, batch: str, model: str) -> dict[str, expected.Change]:
    """What rpt_record_changes says about one model in one batch, without the columns that capture ignores."""
    rows = project.audit(
        f"select * from {{audit}}.rpt_record_changes where batch_id = '{batch}' and node_name = '{model}'"
    )
    changes = {}
    for row in rows:
        old, new = (values and json.loads(values) for values in (row["old_values"], row["new_values"]))
        for state in (old, new):
            for column in AUDIT_COLUMNS:
                if state:
                    assert model != "orders" or state.pop(column)
            if state and model == "customers_history":
                kept = {column: state.pop(column) for column in SNAPSHOT_COLUMNS}
                assert kept["dbt_valid_to"] is None and kept["dbt_scd_id"]
        fields = frozenset((row["changed_fields"] or "").split(", ")) - {""}
        assert row["record_id"] not in changes
        changes[row["record_id"]] = expected.Change(row["change_type"], fields, old, new)
    return changes


def stored_hashes(project: Project, batch: str, model: str) -> dict[str, tuple[str | None, str | None]]:
    """Old and new record hash of every record that one batch changed in one model."""
    rows = project.audit(
        "select record_id, old_hash, new_hash from {audit}.fct_record_changes"
        f" where batch_id = '{batch}' and node_name = '{model}'"
    )
    return {row["record_id"]: (row["old_hash"], row["new_hash"]) for row in rows}


def assert_on_record(project: Project, first: str, second: str) -> None:
    """Both batches hold exactly what the drops say, record by record, hashes included."""
    before, after = expected.tables(FIRST), expected.tables(SECOND)
    for model in MODELS:
        baseline = expected.changes({}, before[model]) if model == "orders" else {}
        assert stored_changes(project, first, model) == baseline
        changes = expected.changes(before[model], after[model], expected.IGNORED)
        assert changes, f"the second drop changes nothing in {model}"
        assert stored_changes(project, second, model) == changes
        assert stored_hashes(project, second, model) == {
            key: expected.hashes(f"{KINDS.get(model, 'model')}.orders_demo.{model}", change)
            for key, change in changes.items()
        }
    assert_traced(project, first, second)


def stored_edges(project: Project, batch: str, model: str) -> set[tuple[str, str, str]]:
    """Record, source and source record of every edge of one model that one batch wrote, all of them exact."""
    rows = project.audit(
        "select record_id, source_name, source_record_id, label from {audit}.fct_record_edges"
        f" where batch_id = '{batch}' and node_name = '{model}'"
    )
    assert {row["label"] for row in rows} == {"exact"}
    return {(row["record_id"], row["source_name"], row["source_record_id"]) for row in rows}


def assert_traced(project: Project, first: str, second: str) -> None:
    """Every record of both batches comes from the rows that the drops say, down to the raw ones."""
    before, after = expected.tables(FIRST), expected.tables(SECOND)
    for model in ("orders", "customer_revenue"):
        old, new = (expected.edges(drop, model) for drop in (FIRST, SECOND))
        assert stored_edges(project, first, model) == old
        changed = {
            key
            for key, change in expected.changes(before[model], after[model]).items()
            if change.new is not None
        }
        assert stored_edges(project, second, model) == {edge for edge in new if edge[0] in changed}
    record = min(key for key in before["customer_revenue"] if key in after["customer_revenue"])
    orders = {source for key, _, source in expected.edges(SECOND, "customer_revenue") if key == record}
    below = {(2, name, source) for key, name, source in expected.edges(SECOND, "orders") if key in orders}
    rows = project.audit(
        "select depth, source_name, source_record_id, is_ultimate from {audit}.rpt_record_lineage"
        f" where node_name = 'customer_revenue' and record_id = '{record}'"
    )
    found = {(row["depth"], row["source_name"], row["source_record_id"]) for row in rows}
    assert found == {(1, "orders", order) for order in orders} | below
    assert {row["source_name"] for row in rows if not row["is_ultimate"]} == {"orders"}


def failing_payments(project: Project, batch: str) -> list[str]:
    rows = project.audit(
        f"select record_id from {{audit}}.rpt_record_errors where batch_id = '{batch}' and node_name = 'payments'"
    )
    return sorted(row["record_id"] for row in rows)


def assert_every_record_is_traced(project: Project) -> None:
    """Each hop of each record is exact, and the model's SQL over only the traced rows gives the record again."""
    warehouse = project.warehouse()
    try:
        codes, _ = codes_on_record(warehouse, None)
        reader = Reader(warehouse, codes)
        replayed = {
            code.name: replay_every_record(reader, code.node)
            for code in codes.values()
            if code.kind == "table"
        }
    finally:
        warehouse.close()
    assert set(replayed) == set(MODELS) - set(KINDS)
    for model, (records, wrong) in replayed.items():
        assert records == project.query(f"select count(*) as n from shop.{model}")[0]["n"] > 0
        assert wrong == []


@pytest.mark.slow
def test_the_demo_records_exactly_what_its_drops_say(demo: Demo) -> None:
    assert_on_record(demo.project, *demo.batches)
    assert failing_payments(demo.project, demo.batches[1]) == sorted(expected.bad_payments(SECOND))


@pytest.mark.slow
def test_the_story_that_the_demo_tells_is_the_computed_one(demo: Demo) -> None:
    before, after = expected.tables(FIRST), expected.tables(SECOND)
    told = {row.pop("node_name"): row for row in [dict(row) for row in demo.story["changes"]]}
    kinds = {
        model: [
            change.kind for change in expected.changes(before[model], after[model], expected.IGNORED).values()
        ]
        for model in MODELS
    }
    assert told == {
        model: {
            "row_count": len(after[model]),
            "records_inserted": kinds[model].count("insert"),
            "records_updated": kinds[model].count("update"),
            "records_deleted": kinds[model].count("delete"),
        }
        for model in MODELS
    }
    assert [batch["status"] for batch in demo.story["batches"]] == ["success", "error"]
    assert {row["record_id"] for row in demo.story["failures"]} == expected.bad_payments(SECOND)
    new_rejects = [
        row["reject_reason"]
        for key, row in after["rejected_orders"].items()
        if key not in before["rejected_orders"]
    ]
    assert {row["reason"]: row["records"] for row in demo.story["rejected"]} == {
        str(reason): new_rejects.count(reason) for reason in set(new_rejects)
    }


@pytest.mark.slow
def test_the_demo_leaves_a_report_of_each_batch(demo: Demo) -> None:
    pages = [Path(path).read_text(encoding="utf-8") for path in demo.story["reports"]]
    assert [batch in page for batch, page in zip(demo.batches, pages, strict=True)] == [True, True]
    assert all(payment in pages[1] for payment in expected.bad_payments(SECOND))


@pytest.mark.slow
def test_every_record_of_the_demo_is_traced_to_rows_that_make_it_again(demo: Demo) -> None:
    assert_every_record_is_traced(demo.project)


@pytest.mark.slow
def test_the_store_of_the_demo_verifies_until_somebody_alters_it(demo: Demo, tmp_path: Path) -> None:
    project = replace(demo.project, root=tmp_path / "copy")
    shutil.copytree(demo.project.root, project.root, symlinks=True)
    project.batch_audit("verify")
    said = project.run([sys.executable, "tamper.py"]).stdout
    order = said.split()[1].rstrip(":")
    verdict = project.batch_audit("verify", check=False)
    assert verdict.returncode == 1
    assert f"record {order}" in verdict.stderr


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["postgres"])
def test_on_postgres_the_same_records_change(make_project: Callable[..., Project], engine: str) -> None:
    project = make_project(name="orders_demo", installed=False, hook=False)
    profile = project.read("profiles.yml")
    shutil.copytree(demo_dir(), project.root, dirs_exist_ok=True)
    project.write("profiles.yml", profile)
    connection = " ".join(f"{name}='{value}'" for name, value in project.target.connection.items())
    project.batch_audit("init")
    for drop, status in ((FIRST_DROP, 0), (SECOND_DROP, 1)):
        project.run([sys.executable, "load_drop.py", drop, "--postgres", connection])
        assert project.batch_audit("run", "--", "dbt", "build", check=False).returncode == status
    project.batch_audit("verify")
    batches = project.audit("select batch_id from {audit}.rpt_batch_summary order by started_at")
    assert_on_record(project, *(row["batch_id"] for row in batches))
    assert failing_payments(project, batches[1]["batch_id"]) == sorted(expected.bad_payments(SECOND))
    assert_every_record_is_traced(project)


def test_the_demo_does_not_write_into_a_folder_with_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not empty and holds no earlier demo"):
        prepare_folder(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
    prepare_folder(tmp_path, force=True)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "do not touch"
    assert (tmp_path / "load_drop.py").is_file()


def test_the_demo_does_not_take_a_file_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="this is a file"):
        prepare_folder(tmp_path / "file")


def test_a_later_demo_removes_what_an_earlier_one_built_and_keeps_what_a_person_added(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "demo")
    (tmp_path / "demo" / "warehouse.duckdb").write_bytes(b"old")
    (tmp_path / "demo" / "target").mkdir()
    (tmp_path / "demo" / "drops" / "2026-01-03").mkdir()
    (tmp_path / "demo" / "dbt_project.yml").write_text("edited", encoding="utf-8")
    prepare_folder(tmp_path / "demo")
    assert not (tmp_path / "demo" / "warehouse.duckdb").exists()
    assert not (tmp_path / "demo" / "target").exists()
    assert (tmp_path / "demo" / "drops" / "2026-01-03").is_dir()
    assert "edited" not in (tmp_path / "demo" / "dbt_project.yml").read_text(encoding="utf-8")


def test_a_step_that_ends_otherwise_than_expected_shows_the_end_of_its_log(tmp_path: Path) -> None:
    step = Step("Load", (sys.executable, "-c", "print('the drop is torn'); raise SystemExit(3)"))
    with pytest.raises(BatchAuditError, match=r"(?s)Load: .* exit status 3, not 0\..*the drop is torn"):
        run_step(tmp_path, step)
    assert "the drop is torn" in (tmp_path / "demo.log").read_text(encoding="utf-8")
    run_step(tmp_path, replace(step, accepted=(3,)))


def test_the_steps_see_no_settings_that_lead_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_PROFILES_DIR", os.devnull)
    monkeypatch.setenv("BATCH_AUDIT_SCHEMA", "elsewhere")
    show = "import os; print(sorted(name for name in os.environ if name.startswith(('DBT_PRO', 'BATCH_'))))"
    run_step(tmp_path, Step("Show", (sys.executable, "-c", show)))
    assert (tmp_path / "demo.log").read_text(encoding="utf-8").endswith("\n[]\n")
