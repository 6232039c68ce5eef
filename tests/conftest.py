"""Fixtures for every suite: engines, a database per test, and dbt projects in temporary folders."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import end_run, fresh_database, lead_run, server_url
from tests.support.prepared import build_store
from tests.support.project import Project, write_project
from tests.support.target import Target

os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"

_run_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """The leading process, not an xdist worker, owns what the workers share."""
    _heed_signals()
    if not hasattr(config, "workerinput"):
        config.stash[_run_folder] = lead_run()


def _heed_signals() -> None:
    """A shell's background jobs ignore SIGINT, those of nohup SIGHUP, and what the tests start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(_run_folder, None)
    if folder is not None:
        end_run(folder)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a Postgres server on which tests may make databases."""
    return server_url()


@pytest.fixture(params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """Runs the test once per engine. `@pytest.mark.parametrize("engine", ["duckdb"])` narrows it."""
    name: str = request.param
    return name


@pytest.fixture
def warehouse_target(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Target]:
    """An empty database on the engine, gone after the test.

    With `@pytest.mark.prepared` it has the store and the package's views already, as after `batch-audit init`, which
    saves their build; for tests of what comes after it.
    """
    prepared = request.node.get_closest_marker("prepared") is not None
    if engine == "duckdb":
        path = tmp_path / "warehouse.duckdb"
        if prepared:
            shutil.copy(request.getfixturevalue("prepared_duckdb"), path)
        yield Target(engine="duckdb", database="warehouse", path=path)
    else:
        template = request.getfixturevalue("prepared_postgres") if prepared else None
        with fresh_database(request.getfixturevalue("postgres_url"), template) as connection:
            yield Target(engine="postgres", database=connection["dbname"], connection=connection)


@pytest.fixture(scope="session")
def prepared_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with the store and the package's views in it."""
    folder = tmp_path_factory.mktemp("prepared_duckdb")
    path = folder / "warehouse.duckdb"
    build_store(folder / "project", Target(engine="duckdb", database="warehouse", path=path))
    return path


@pytest.fixture(scope="session")
def prepared_postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with the store and the package's views in it, to which nobody is connected."""
    folder = tmp_path_factory.mktemp("prepared_postgres")
    with fresh_database(postgres_url) as connection:
        target = Target(engine="postgres", database=connection["dbname"], connection=connection)
        build_store(folder / "project", target)
        yield connection["dbname"]


@pytest.fixture
def make_project(tmp_path: Path, warehouse_target: Target) -> Callable[..., Project]:
    """A factory of projects on the test's database; its options are those of `write_project`."""

    def make(folder: str = "project", **options: Any) -> Project:
        return write_project(tmp_path / folder, warehouse_target, **options)

    return make
