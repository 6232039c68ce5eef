"""Opening the user's dbt profile: what works, and what a person is told when it does not."""

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from batch_audit.errors import ConfigurationError, StoreMissingError, WarehouseError
from batch_audit.settings import Settings
from batch_audit.warehouses import open_warehouse, preload
from tests.support.project import Project
from tests.support.target import Target

MakeProject = Callable[..., Project]
only_duckdb = pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
only_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project(installed=False, hook=False)


@contextmanager
def held_open(path: Path) -> Iterator[int]:
    """Another process that has the DuckDB file open; gives its process id."""
    code = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        yield holder.pid
    finally:
        holder.communicate()


def test_it_says_where_it_is(project: Project, warehouse_target: Target, engine: str) -> None:
    warehouse = project.warehouse()

    assert (warehouse.engine, warehouse.database) == (engine, warehouse_target.database)
    assert warehouse.audit_schema == "shop_audit"
    prefix = f'"{warehouse_target.database}".' if engine == "duckdb" else ""
    assert warehouse.table("audit_event") == f'{prefix}"shop_audit"."audit_event"'
    warehouse.close()


def test_opening_prints_nothing_and_leaves_no_files(project: Project, warehouse_target: Target) -> None:
    if warehouse_target.path is not None:
        warehouse_target.query("select 1")
    before = sorted(path.name for path in project.root.iterdir())
    code = """
        from batch_audit.settings import Settings
        from batch_audit.warehouses import open_warehouse, preload
        settings = Settings.from_options()
        preload(settings)
        warehouse = open_warehouse(settings)
        assert warehouse.query("select 1 as n") == [{"n": 1}]
        warehouse.close()
    """

    done = project.run(
        [sys.executable, "-c", textwrap.dedent(code)], env={"DBT_SEND_ANONYMOUS_USAGE_STATS": "true"}
    )

    assert (done.stdout, done.stderr) == ("", "")
    assert sorted(path.name for path in project.root.iterdir()) == before


@only_duckdb
def test_what_dbt_has_to_say_about_the_project_is_not_printed(
    project: Project, warehouse_target: Target
) -> None:
    warehouse_target.query("select 1")
    project.write("dbt_project.yml", project.read("dbt_project.yml") + "log-path: old\n")
    project.write(
        "profiles.yml", yaml.safe_dump({"shop": {"outputs": {"default": warehouse_target.output()}}})
    )
    code = "from batch_audit.settings import Settings as S; from batch_audit.warehouses import open_warehouse as o;"

    done = project.run([sys.executable, "-c", code + "o(S.from_options()).close()"])

    assert (done.stdout, done.stderr) == ("", "")
    assert not (project.root / "logs").exists() and not (project.root / "old").exists()


def test_it_opens_beside_another_thread_that_preloads(project: Project) -> None:
    beside = threading.Thread(target=preload, args=(project.settings(),))
    beside.start()
    warehouse = project.warehouse()
    beside.join()

    assert warehouse.query("select 1 as n") == [{"n": 1}]
    closing = threading.Thread(target=warehouse.close)
    closing.start()
    closing.join()
    with pytest.raises(WarehouseError, match="closed"):
        warehouse.query("select 1 as n")


def test_preloading_a_wrong_profile_leaves_the_error_to_opening(project: Project) -> None:
    preload(project.settings(target="nowhere"))

    with pytest.raises(ConfigurationError):
        project.warehouse(target="nowhere")


def test_several_can_be_open_and_the_others_survive_a_close(project: Project) -> None:
    first, second = project.warehouse(), project.warehouse()
    first.close()

    assert second.query("select 1 as n") == [{"n": 1}]
    second.close()


@only_duckdb
def test_a_closed_duckdb_file_can_be_opened_by_another_process(
    project: Project, warehouse_target: Target
) -> None:
    assert warehouse_target.path is not None
    first, second = project.warehouse(), project.warehouse()
    stream = first.stream("select n from generate_series(1, 1000) as g(n)", size=10)
    next(stream)
    try:
        first.query("select nothing")
    except WarehouseError as error:
        kept = error
    first.close()
    second.close()
    stream.close()  # type: ignore[attr-defined]

    with held_open(warehouse_target.path):
        assert "nothing" in str(kept)


@only_duckdb
def test_a_duckdb_file_in_use_names_the_process_to_wait_for(
    project: Project, warehouse_target: Target
) -> None:
    assert warehouse_target.path is not None
    with held_open(warehouse_target.path) as pid, pytest.raises(WarehouseError) as caught:
        project.warehouse()

    message = str(caught.value)
    assert str(warehouse_target.path) in message
    assert f"in use by process {pid}" in message
    assert f"Wait until process {pid} has ended" in message


@only_duckdb
def test_a_duckdb_file_that_does_not_exist_is_not_made(project: Project, warehouse_target: Target) -> None:
    assert warehouse_target.path is not None
    with pytest.raises(StoreMissingError, match=r"warehouse\.duckdb does not exist.*batch-audit run"):
        open_warehouse(project.settings())

    assert not warehouse_target.path.exists()


@only_duckdb
def test_a_file_that_is_no_database_is_named(project: Project, warehouse_target: Target) -> None:
    assert warehouse_target.path is not None
    warehouse_target.path.write_text("not a database" * 1000)

    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb .*cannot be opened"):
        project.warehouse()


@only_duckdb
def test_relative_duckdb_files_lie_in_the_project(
    project: Project, warehouse_target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        "profiles.yml",
        warehouse_target.profile_yaml(path="data.duckdb", attach=[{"path": "more.duckdb", "alias": "more"}]),
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    warehouse = project.warehouse()
    warehouse.execute("create table more.main.t (n bigint)")
    warehouse.close()

    assert {"data.duckdb", "more.duckdb"} <= {path.name for path in project.root.iterdir()}
    assert list(elsewhere.iterdir()) == []


@only_duckdb
def test_settings_of_the_profile_hold_for_streams_too(project: Project, warehouse_target: Target) -> None:
    project.write("profiles.yml", warehouse_target.profile_yaml(settings={"TimeZone": "Asia/Tokyo"}))
    warehouse = project.warehouse()
    sql = "select current_setting('TimeZone') as zone"

    assert warehouse.query(sql) == [{"zone": "Asia/Tokyo"}]
    assert list(warehouse.stream(sql)) == [[("Asia/Tokyo",)]]
    warehouse.close()


@only_postgres
def test_an_unreachable_server_is_named(project: Project, warehouse_target: Target, tmp_path: Path) -> None:
    project.write("profiles.yml", warehouse_target.profile_yaml(host=str(tmp_path), port=5999, retries=0))

    with pytest.raises(WarehouseError) as caught:
        project.warehouse()

    message = str(caught.value)
    assert f"{tmp_path}:5999, database '{warehouse_target.database}'" in message
    assert "target 'dev' of profile 'shop'" in message
    assert "dbt debug" in message


@only_postgres
def test_a_missing_database_is_named(project: Project, warehouse_target: Target) -> None:
    project.write("profiles.yml", warehouse_target.profile_yaml(dbname="not_there", retries=0))

    with pytest.raises(WarehouseError, match='database "not_there" does not exist'):
        project.warehouse()


@only_postgres
def test_the_role_of_the_profile_is_kept_after_a_rollback(project: Project, warehouse_target: Target) -> None:
    role = f"auditor_{warehouse_target.database}"
    warehouse_target.query(f"create role {role}")
    try:
        project.write("profiles.yml", warehouse_target.profile_yaml(role=role))
        warehouse = project.warehouse()
        with pytest.raises(WarehouseError), warehouse.transaction():
            warehouse.execute("select nothing")

        assert warehouse.query("select current_user as name") == [{"name": role}]
        warehouse.close()
    finally:
        warehouse_target.query(f"drop role {role}")


@only_postgres
def test_autocommit_profiles_have_transactions_all_the_same(
    project: Project, warehouse_target: Target
) -> None:
    project.write("profiles.yml", warehouse_target.profile_yaml(autocommit=True))
    warehouse = project.warehouse()
    warehouse.execute("create table t (n bigint)")
    with pytest.raises(RuntimeError), warehouse.transaction():
        warehouse.execute("insert into t values (1)")
        raise RuntimeError("halfway")

    assert warehouse.query("select * from t") == []
    warehouse.close()


@only_postgres
def test_a_stricter_default_isolation_does_not_freeze_what_the_seal_reads(
    project: Project, warehouse_target: Target
) -> None:
    warehouse_target.query(
        f"alter database {warehouse_target.database} set default_transaction_isolation = 'repeatable read'"
    )
    warehouse_target.query("create table t (n bigint)")
    warehouse = project.warehouse()
    with warehouse.transaction():
        warehouse.seal_lock()
        warehouse_target.query("insert into t values (1)")
        assert warehouse.query("select * from t") == [{"n": 1}]
    warehouse.close()


@only_duckdb
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "nowhere"}, "does not have a target named 'nowhere'"),
        ({"profile": "nobody"}, "Could not find profile named 'nobody'"),
        ({"vars": "{a: [}"}, "--vars is not valid YAML"),
        ({"vars": "just text"}, "--vars is 'just text', which is no YAML mapping"),
    ],
)
def test_wrong_options_are_explained(project: Project, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        project.warehouse(**options)

    assert said in str(caught.value)


@only_duckdb
def test_a_profile_with_an_unset_variable_names_it_and_the_files(project: Project) -> None:
    project.write(
        "profiles.yml",
        "shop: {target: dev, outputs: {dev: {type: duckdb, schema: s,"
        " path: \"{{ env_var('NOT_SET_ANYWHERE') }}\"}}}",
    )

    with pytest.raises(ConfigurationError) as caught:
        project.warehouse()

    message = str(caught.value)
    assert "NOT_SET_ANYWHERE" in message
    assert f"profiles.yml looked for in: {project.root}" in message
    assert "dbt debug" in message


@only_duckdb
@pytest.mark.parametrize(
    "profiles", ["shop: {target: dev, outputs: }", "shop: [dev]", "shop: {", "", "- shop"]
)
def test_a_profile_of_the_wrong_shape_is_no_crash(project: Project, profiles: str) -> None:
    project.write("profiles.yml", profiles)

    with pytest.raises(
        ConfigurationError,
        match=r"The dbt project or its profile cannot be used: .+\n.*\n  profiles.yml looked for",
    ):
        project.warehouse()


@only_duckdb
def test_the_profile_reads_environment_and_vars_as_dbt_does(
    project: Project, warehouse_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_FILE", str(warehouse_target.path))
    project.write(
        "profiles.yml",
        "shop: {target: dev, outputs: {dev: {type: duckdb, schema: \"{{ var('where') }}\","
        " path: \"{{ env_var('WAREHOUSE_FILE') }}\"}}}",
    )
    warehouse = project.warehouse(vars="{where: mine, batch_audit_schema: trail}")

    assert warehouse.audit_schema == "mine_trail"
    warehouse.close()


@only_duckdb
def test_an_adapter_that_is_not_installed_is_named(project: Project) -> None:
    project.write("profiles.yml", "shop: {target: dev, outputs: {dev: {type: oracle, schema: s}}}")

    with pytest.raises(ConfigurationError, match="oracle"):
        project.warehouse()


@only_duckdb
def test_a_folder_without_a_project_is_named(warehouse_target: Target, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No dbt_project\.yml in .*--project-dir"):
        open_warehouse(Settings.from_options(project_dir=tmp_path))


@only_duckdb
class TestAuditSchema:
    """Where the audit store is looked for."""

    def manifest(self, project: Project, plain_schema: str, folder: str = "target") -> None:
        """A manifest with a model in `plain_schema` and a disabled audit model in `resolved_by_dbt`."""
        content = {
            "nodes": {"model.shop.orders": {"schema": plain_schema, "config": {"schema": None}}},
            "disabled": {
                "model.batch_audit.rpt": [
                    {"package_name": "batch_audit", "resource_type": "model", "schema": "resolved_by_dbt"}
                ]
            },
        }
        project.write(f"{folder}/manifest.json", json.dumps(content))

    def schema(self, project: Project, **options: Any) -> str:
        warehouse = project.warehouse(**options)
        warehouse.close()
        return warehouse.audit_schema

    def test_follows_the_projects_variable(self, make_project: MakeProject) -> None:
        project = make_project(installed=False, hook=False, variables={"batch_audit_schema": "trail"})

        assert self.schema(project) == "shop_trail"

    def test_prefers_the_variable_of_our_package(self, make_project: MakeProject) -> None:
        variables = {"batch_audit_schema": "trail", "batch_audit": {"batch_audit_schema": "ours"}}
        project = make_project(installed=False, hook=False, variables=variables)

        assert self.schema(project) == "shop_ours"

    def test_is_what_dbt_resolved(self, project: Project) -> None:
        self.manifest(project, plain_schema="shop")

        assert self.schema(project) == "resolved_by_dbt"

    def test_ignores_the_manifest_of_another_target(self, project: Project) -> None:
        self.manifest(project, plain_schema="production")

        assert self.schema(project) == "shop_audit"

    def test_ignores_a_broken_manifest(self, project: Project) -> None:
        project.write("target/manifest.json", '{"nodes": ')

        assert self.schema(project) == "shop_audit"

    def test_follows_the_target_path(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DBT_TARGET_PATH", "build")
        self.manifest(project, plain_schema="shop", folder="build")

        assert self.schema(project) == "resolved_by_dbt"

    def test_given_by_the_person_wins(self, project: Project) -> None:
        self.manifest(project, plain_schema="shop")

        assert self.schema(project, audit_schema="given") == "given"
