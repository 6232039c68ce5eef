"""Each check of `doctor` on the smallest thing that it is about: a verdict, the object, the reason, the remedy."""

from pathlib import Path
from typing import Any

import pytest

from batch_audit.settings import Settings
from batch_audit.setup.checks import (
    CHECKS,
    dbt_side,
    files,
    hooks,
    lineage,
    macros,
    models,
    run_checks,
    store,
)
from batch_audit.setup.context import Context
from batch_audit.setup.findings import Finding, some
from batch_audit.setup.manifest import Manifest
from batch_audit.setup.packages import VENDORED

CAPTURE = {"sql": "{{ batch_audit.capture() }}", "transaction": True}


def model(name: str = "orders", **config: Any) -> dict[str, Any]:
    """A table model that asks for capture, with a key and the hook, as it stands in a manifest."""
    defaults = {"materialized": "table", "post-hook": [CAPTURE]}
    asked = {"audit_capture": "changes", "audit_key": "id"} | config.pop("meta", {})
    return {
        "unique_id": f"model.shop.{name}",
        "name": name,
        "resource_type": "model",
        "package_name": "shop",
        "config": defaults | {"meta": asked} | config,
    }


def macro(name: str, package: str = "shop", uses: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "unique_id": f"macro.{package}.{name}",
        "name": name,
        "package_name": package,
        "original_file_path": "macros/x.sql",
        "depends_on": {"macros": list(uses)},
    }


def operation(tag: str) -> dict[str, Any]:
    return {
        "unique_id": f"operation.batch_audit.{tag}",
        "resource_type": "operation",
        "package_name": "batch_audit",
        "tags": [tag],
    }


def context(
    tmp_path: Path, *nodes: dict[str, Any], macros: tuple[dict[str, Any], ...] = (), **fields: Any
) -> Context:
    """A context with a manifest of these nodes and macros; no warehouse."""
    data = {
        "metadata": {"project_name": "shop", "adapter_type": "duckdb", "dbt_version": "1.11.16"}
        | fields.pop("metadata", {}),
        "nodes": {node["unique_id"]: node for node in nodes},
        "macros": {one["unique_id"]: one for one in macros},
    }
    settings = Settings(
        project_dir=tmp_path, state_dir=tmp_path / ".batch_audit", **fields.pop("settings", {})
    )
    project = {"name": "shop"} | fields.pop("project", {})
    return Context(settings, tmp_path / "package", project, Manifest(data), **fields)


def only(findings: Any) -> Finding:
    """The one finding that a check gave."""
    (finding,) = findings
    assert isinstance(finding, Finding)
    return finding


def test_every_finding_that_is_not_fine_says_what_to_do(tmp_path: Path) -> None:
    broken = context(
        tmp_path,
        model(meta={"audit_key": None}, **{"post-hook": []}),
        model("lines", meta={"audit_capture": "everything"}),
        model("items", materialized="view"),
        macros=(
            macro("duckdb__sha256_hex"),
            macro("sha256_hex", "batch_audit"),
            macro("duckdb__sha256_hex", "batch_audit"),
        ),
        metadata={"adapter_type": "bigquery", "dbt_version": "1.9.4"},
        project={"vars": {"batch_audit_enabled": False}, "models": {}},
        problems={"warehouse": "refused"},
    )
    findings = run_checks(broken)
    bad = [finding for finding in findings if finding.verdict in ("warn", "fail")]
    assert len(bad) >= 10
    assert all(finding.remedy and finding.why and finding.object and finding.check for finding in bad)


def test_what_cannot_be_checked_is_said_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    settings = Settings(project_dir=tmp_path, state_dir=tmp_path / ".batch_audit")
    nothing = Context(
        settings, tmp_path, {}, problems={"project": "line 3", "manifest": "no parse", "warehouse": "refused"}
    )
    findings = run_checks(nothing)
    assert {finding.check for finding in findings} >= {check.name for check in CHECKS if check.needs}
    skipped = {finding.check: finding.why for finding in findings if finding.verdict == "not checked"}
    assert skipped["record keys"] == "the project could not be parsed, see `dbt parse`"
    assert skipped["permissions"] == "there is no connection, see `connection`"
    assert skipped["capture hook"] == "dbt_project.yml cannot be read, see `project file`"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [("1.9.9", "fail"), ("1.10.20", "fail"), ("1.11.0", "ok"), ("1.12.3", "ok"), ("2.0.0", "fail")],
)
def test_the_dbt_version_must_be_in_range(found: str, verdict: str, tmp_path: Path) -> None:
    assert only(dbt_side.version(context(tmp_path, metadata={"dbt_version": found}))).verdict == verdict


@pytest.mark.parametrize(("found", "verdict"), [("duckdb", "ok"), ("postgres", "ok"), ("snowflake", "fail")])
def test_the_adapter_must_be_one_that_has_sql(found: str, verdict: str, tmp_path: Path) -> None:
    assert only(dbt_side.adapter(context(tmp_path, metadata={"adapter_type": found}))).verdict == verdict


def test_missing_run_hooks_are_named(tmp_path: Path) -> None:
    assert (
        only(hooks.run_hooks(context(tmp_path, operation("on-run-start"), operation("on-run-end")))).verdict
        == "ok"
    )
    finding = only(hooks.run_hooks(context(tmp_path, operation("on-run-start"))))
    assert (finding.verdict, finding.object) == ("fail", "on-run-end")


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"settings": {"vars": "{batch_audit_enabled: false}"}}, "--vars"),
        ({"project": {"vars": {"batch_audit_enabled": "no"}}}, "dbt_project.yml, vars"),
        (
            {"project": {"vars": {"batch_audit": {"batch_audit_enabled": False}}}},
            "dbt_project.yml, vars of batch_audit",
        ),
        ({"project": {"vars": {"shop": {"batch_audit_enabled": False}}}}, "dbt_project.yml, vars of shop"),
    ],
)
def test_a_variable_that_switches_the_audit_off_is_found_where_it_stands(
    options: dict[str, Any], place: str, tmp_path: Path
) -> None:
    finding = only(hooks.auditing_on(context(tmp_path, **options)))
    assert (finding.verdict, finding.why) == ("fail", f"is false in {place}, so no run is audited")


def test_other_variables_do_not_switch_the_audit_off(tmp_path: Path) -> None:
    given = {
        "project": {"vars": {"batch_audit_enabled": True, "batch_audit_models": False, "shop": {"x": 1}}}
    }
    assert only(hooks.auditing_on(context(tmp_path, **given))).verdict == "ok"


def test_a_model_without_the_hook_is_named_with_the_command_that_adds_it(tmp_path: Path) -> None:
    finding = only(hooks.capture_on_models(context(tmp_path, model(), model("lines", **{"post-hook": []}))))
    assert (finding.verdict, finding.object) == ("fail", "lines")
    assert "batch-audit init" in finding.remedy


def test_a_capture_outside_of_the_transaction_is_a_failure(tmp_path: Path) -> None:
    outside = CAPTURE | {"transaction": False}
    finding = only(hooks.capture_on_models(context(tmp_path, model(**{"post-hook": [outside]}))))
    assert (finding.verdict, finding.object) == ("fail", "orders")
    assert "transaction: false" in finding.remedy


@pytest.mark.parametrize(
    "sql",
    [
        "{{ batch_audit.capture_changes(key='id') }}",
        "{{ batch_audit . capture ( ) }}",
        "{{ my_hooks() }}",
        "{{ shop.my_hooks() }}",
    ],
)
def test_every_way_to_call_the_capture_counts(sql: str, tmp_path: Path) -> None:
    mine = macro("my_hooks", uses=("macro.shop.inner",))
    inner = macro("inner", uses=("macro.batch_audit.capture",))
    hook = {"sql": sql, "transaction": True}
    found = only(
        hooks.capture_on_models(context(tmp_path, model(**{"post-hook": [hook]}), macros=(mine, inner)))
    )
    assert found.verdict == "ok"


def test_a_macro_that_only_sounds_like_ours_does_not_count(tmp_path: Path) -> None:
    hook = {"sql": "{{ recapture() }} {{ capture_changes_log() }}", "transaction": True}
    found = only(
        hooks.capture_on_models(context(tmp_path, model(**{"post-hook": [hook]}), macros=(macro("capture"),)))
    )
    assert found.verdict == "fail"


@pytest.mark.parametrize(
    ("later", "verdict"),
    [
        ({"sql": "delete from {{ this }} where x", "transaction": True}, "warn"),
        ({"sql": "{{ mask_rows() }}", "transaction": True}, "warn"),
        ({"sql": "grant select on {{ this }} to bi; delete from {{ this }}", "transaction": True}, "warn"),
        ({"sql": "delete from {{ this }} where x", "transaction": False}, "ok"),
        ({"sql": " GRANT select on {{ this }} to bi;", "transaction": True}, "ok"),
        ({"sql": "create unique index if not exists i on {{ this }} (id)", "transaction": True}, "ok"),
        ({"sql": "analyze {{ this }}", "transaction": True}, "ok"),
    ],
)
def test_a_post_hook_after_the_capture_is_found_when_it_could_change_rows(
    later: dict[str, Any], verdict: str, tmp_path: Path
) -> None:
    before = {"sql": "delete from {{ this }}", "transaction": True}
    found = only(
        hooks.hooks_after_capture(context(tmp_path, model(**{"post-hook": [before, CAPTURE, later]})))
    )
    assert found.verdict == verdict


def test_one_hook_on_many_models_is_one_finding(tmp_path: Path) -> None:
    later = {"sql": "delete from {{ this }}", "transaction": True}
    nodes = [model(f"m{number}", **{"post-hook": [CAPTURE, later]}) for number in range(5)]
    assert only(hooks.hooks_after_capture(context(tmp_path, *nodes))).object == "m0, m1, m2 and 2 more"


OURS = (macro("sha256_hex", "batch_audit"), macro("duckdb__sha256_hex", "batch_audit"))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("duckdb__sha256_hex", "fail"),
        ("default__sha256_hex", "fail"),
        ("batch_audit", "fail"),
        ("make_backup_relation", "warn"),
        ("duckdb__make_backup_relation", "warn"),
        ("run_hooks", "warn"),
        ("statement", "warn"),
        ("materialization_table_default", "warn"),
        ("materialization_table_postgres", "warn"),
        ("sha256_hex", "ok"),
        ("generate_schema_name", "ok"),
        ("materialization_view_default", "ok"),
    ],
)
def test_a_macro_that_takes_the_place_of_a_needed_one_is_named(
    name: str, verdict: str, tmp_path: Path
) -> None:
    finding = only(macros.overrides(context(tmp_path, macros=(*OURS, macro(name)))))
    assert finding.verdict == verdict
    if verdict != "ok":
        assert finding.object == name
        assert "shop: macros/x.sql" in finding.why


def test_another_packages_macro_counts_only_when_dispatch_names_it(tmp_path: Path) -> None:
    other = (*OURS, macro("default__sha256_hex", "helpers"), macro("run_hooks", "helpers"))
    assert only(macros.overrides(context(tmp_path, macros=other))).verdict == "ok"
    dispatch = {
        "dispatch": [{"macro_namespace": "batch_audit", "search_order": ["shop", "helpers", "batch_audit"]}]
    }
    finding = only(macros.overrides(context(tmp_path, macros=other, project=dispatch)))
    assert (finding.verdict, finding.object) == ("fail", "default__sha256_hex")


def test_dbts_and_our_own_macros_are_no_overrides(tmp_path: Path) -> None:
    internal = (macro("run_hooks", "dbt"), macro("materialization_table_duckdb", "dbt_duckdb"), *OURS)
    assert only(macros.overrides(context(tmp_path, macros=internal))).verdict == "ok"


def test_the_schema_rule_is_named_with_the_schema_that_it_gives(tmp_path: Path) -> None:
    ours = {
        "unique_id": "model.batch_audit.rpt_package",
        "package_name": "batch_audit",
        "resource_type": "model",
        "schema": "audit",
    }
    finding = only(macros.schema_rule(context(tmp_path, ours, macros=(macro("generate_schema_name"),))))
    assert (finding.verdict, finding.object) == ("ok", "audit")
    assert "shop: macros/x.sql" in finding.why


def test_the_key_is_shown_with_the_rule_that_gave_it(tmp_path: Path) -> None:
    finding = only(models.record_keys(context(tmp_path, model())))
    assert (finding.verdict, finding.why) == ("ok", "record key id (audit_key)")


@pytest.mark.parametrize(("on_error", "verdict"), [("fail", "fail"), ("warn", "warn")])
def test_a_model_without_a_key_is_told_how_to_get_one(on_error: str, verdict: str, tmp_path: Path) -> None:
    finding = only(
        models.record_keys(context(tmp_path, model(meta={"audit_key": None, "audit_on_error": on_error})))
    )
    assert finding.verdict == verdict
    assert "audit_key" in finding.remedy


@pytest.mark.parametrize(
    ("argument", "columns"),
    [("key='a'", "a"), ('["a", "b"]', "a, b"), ("ignore=['x']", "id")],
)
def test_a_key_in_the_models_own_capture_line_comes_first(
    argument: str, columns: str, tmp_path: Path
) -> None:
    line = {"sql": "{{ batch_audit.capture_changes(" + argument + ") }}", "transaction": True}
    finding = only(models.record_keys(context(tmp_path, model(**{"post-hook": [line]}))))
    assert finding.why.startswith(f"record key {columns} (")


def test_an_inference_that_dbt_does_not_share_is_no_doubt(tmp_path: Path) -> None:
    """dbt takes a not_null column out of a combination for its key, and two unique columns for one key of both."""
    node = model(meta={"audit_key": None}) | {"constraints": [{"type": "primary_key", "columns": ["a", "b"]}]}
    finding = only(models.record_keys(context(tmp_path, node | {"primary_key": ["a"]})))
    assert (finding.verdict, finding.why) == ("ok", "record key a, b (primary_key constraint)")


def test_a_key_column_that_is_not_documented_is_named_with_a_similar_one(tmp_path: Path) -> None:
    node = model(meta={"audit_key": ["ordr_id"]}) | {"columns": {"order_id": {}, "note": {}}}
    finding = only(models.key_columns(context(tmp_path, node)))
    assert finding.verdict == "warn"
    assert finding.remedy.endswith("Did you mean order_id?")
    assert list(models.key_columns(context(tmp_path, node | {"columns": {"ORDR_ID": {}}}))) == []
    assert list(models.key_columns(context(tmp_path, model()))) == []


def test_what_cannot_be_captured_is_said(tmp_path: Path) -> None:
    seed = model("countries", materialized="seed") | {
        "resource_type": "seed",
        "unique_id": "seed.shop.countries",
    }
    found = {
        f.object: f
        for f in models.materializations(context(tmp_path, model(), model("v", materialized="view"), seed))
    }
    assert {name: finding.verdict for name, finding in found.items()} == {"v": "warn"}
    assert "of the kind view" in found["v"].why


LINKED = {"contract": {"enforced": True}}
FOREIGN_KEY = {"constraints": [{"type": "foreign_key"}]}
COPY = {"sql": "{{ batch_audit.copy_previous() }}", "transaction": True}


@pytest.mark.parametrize(
    ("node", "engine", "verdict"),
    [
        (model(meta={"audit_previous": "copy"}), "postgres", "fail"),
        (model(meta={"audit_previous": "copy"}, **{"pre-hook": [COPY]}), "postgres", "ok"),
        (model(**LINKED) | FOREIGN_KEY, "duckdb", "fail"),
        (model(**LINKED, **{"pre-hook": [COPY]}) | FOREIGN_KEY, "duckdb", "ok"),
        (model(**LINKED) | FOREIGN_KEY, "postgres", "ok"),
        (model() | FOREIGN_KEY, "duckdb", "ok"),
    ],
)
def test_a_previous_table_that_nobody_keeps_needs_a_copy(
    node: dict[str, Any], engine: str, verdict: str, tmp_path: Path
) -> None:
    finding = only(models.copies(context(tmp_path, node, metadata={"adapter_type": engine})))
    assert finding.verdict == verdict
    if verdict == "fail":
        assert (finding.object, "batch-audit init" in finding.remedy) == ("orders", True)


@pytest.mark.parametrize(
    ("materialized", "order", "verdict"),
    [
        ("table", None, "ok"),
        ("incremental", None, "fail"),
        ("snapshot", ["shop", "dbt", "batch_audit"], "fail"),
        ("seed", ["shop", "batch_audit", "dbt"], "ok"),
        ("incremental", ["batch_audit", "shop", "dbt"], "ok"),
    ],
)
def test_what_changes_in_place_needs_the_dispatch(
    materialized: str, order: list[str] | None, verdict: str, tmp_path: Path
) -> None:
    listed = {"dispatch": [{"macro_namespace": "dbt", "search_order": order}]} if order else {}
    finding = only(hooks.dispatch(context(tmp_path, model(materialized=materialized), project=listed)))
    assert finding.verdict == verdict
    if verdict == "fail":
        assert (finding.object, "batch-audit init" in finding.remedy) == ("orders", True)


def test_an_unknown_kind_of_capture_is_a_failure(tmp_path: Path) -> None:
    finding = only(models.materializations(context(tmp_path, model(meta={"audit_capture": "all"}))))
    assert (finding.verdict, finding.object) == ("fail", "orders")


@pytest.mark.parametrize("asked", [None, False, "none", "off"])
def test_a_model_that_does_not_ask_is_left_alone(asked: Any, tmp_path: Path) -> None:
    quiet = context(tmp_path, model(meta={"audit_capture": asked}, **{"post-hook": []}))
    assert only(models.materializations(quiet)).verdict == "ok"
    assert only(hooks.capture_on_models(quiet)).verdict == "ok"
    assert list(models.record_keys(quiet)) == []


def test_left_over_start_records_are_counted(tmp_path: Path) -> None:
    assert only(store.spool(context(tmp_path))).verdict == "ok"
    spool = tmp_path / ".batch_audit" / "spool"
    spool.mkdir(parents=True)
    (spool / "b1.json").write_text("{}", encoding="utf-8")
    finding = only(store.spool(context(tmp_path)))
    assert finding.verdict == "warn"
    assert "b1.json" in finding.why
    assert "batch-audit seal" in finding.remedy


def write_package(folder: Path, text: str = "-- one\n") -> None:
    (folder / "macros").mkdir(parents=True, exist_ok=True)
    (folder / "dbt_project.yml").write_text("name: batch_audit\n", encoding="utf-8")
    (folder / "macros" / "a.sql").write_text(text, encoding="utf-8")


def test_the_way_of_the_package_from_the_wheel_to_dbt_is_checked_step_by_step(tmp_path: Path) -> None:
    where = context(tmp_path)
    write_package(tmp_path / "package")
    assert only(files.package_listed(where)).remedy == "Run `batch-audit init`."
    (tmp_path / "packages.yml").write_text(f"packages: [{{local: {VENDORED}}}]\n", encoding="utf-8")
    assert only(files.package_listed(where)).verdict == "ok"

    assert only(files.package_copy(where)).why == "does not exist"
    write_package(tmp_path / VENDORED, "-- older\n")
    finding = only(files.package_copy(where))
    assert (finding.verdict, finding.remedy) == ("fail", "Run `batch-audit init`.")
    assert "macros/a.sql" in finding.why
    write_package(tmp_path / VENDORED)
    assert only(files.package_copy(where)).verdict == "ok"

    assert only(files.package_installed(where)).remedy == "Run `dbt deps`."
    write_package(tmp_path / "dbt_packages" / "batch_audit", "-- older\n")
    assert only(files.package_installed(where)).remedy == "Run `dbt deps`."
    write_package(tmp_path / "dbt_packages" / "batch_audit")
    assert only(files.package_installed(where)).verdict == "ok"


@pytest.mark.parametrize(
    ("names", "text"),
    [(["b", "a"], "a, b"), (["c", "b", "a"], "a, b, c"), (["d", "c", "b", "a"], "a, b, c and 1 more")],
)
def test_long_lists_are_cut(names: list[str], text: str) -> None:
    assert some(names) == text


def edged(name: str = "orders", **meta: Any) -> dict[str, Any]:
    """A captured model that asks for record edges and reads the model `lines`."""
    asked = {"audit_lineage": "records"} | meta
    return model(name, meta=asked) | {"depends_on": {"nodes": ["model.shop.lines"]}}


@pytest.mark.parametrize(
    ("meta", "verdict", "said"),
    [
        ({}, "ok", "record edges to lines"),
        ({"audit_lineage": "rows"}, "fail", "'rows'"),
        ({"audit_lineage": "declared"}, "fail", "declares nothing"),
        ({"audit_lineage": "declared", "audit_inputs": {"lines": "id"}}, "ok", "lines"),
        ({"audit_capture": "off"}, "fail", "not captured"),
    ],
)
def test_what_asks_for_record_edges_can_have_some(
    tmp_path: Path, meta: dict[str, Any], verdict: str, said: str
) -> None:
    found = only(lineage.record_edges(context(tmp_path, edged(**meta), model("lines"))))
    assert (found.verdict, found.object) == (verdict, "orders")
    assert said in found.why


def test_a_source_of_edges_without_a_key_is_named_through_views(tmp_path: Path) -> None:
    lines = model("lines", materialized="view") | {"depends_on": {"nodes": ["model.shop.raw"]}}
    keyless = model("raw", meta={"audit_key": None})
    found = only(lineage.record_edges(context(tmp_path, edged(), lines, keyless)))
    assert (found.verdict, found.object) == ("warn", "orders")
    assert "reads raw," in found.why
