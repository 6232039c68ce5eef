"""Fixtures for every suite: engines, a database per test, and dbt projects in temporary folders."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import end_run, fresh_database, lead_run, server_url
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
    """An empty database on the engine, gone after the test."""
    if engine == "duckdb":
        yield Target(engine="duckdb", database="warehouse", path=tmp_path / "warehouse.duckdb")
    else:
        with fresh_database(request.getfixturevalue("postgres_url")) as connection:
            yield Target(engine="postgres", database=connection["dbname"], connection=connection)


@pytest.fixture
def make_project(tmp_path: Path, warehouse_target: Target) -> Callable[..., Project]:
    """A factory of projects on the test's database; its options are those of `write_project`."""

    def make(folder: str = "project", **options: Any) -> Project:
        return write_project(tmp_path / folder, warehouse_target, **options)

    return make
