"""The databases that are measured: a DuckDB file, and a database on a Postgres server of the run's own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import end_run, fresh_database, lead_run, server_url
from tests.support.target import Target

ENGINES = ("duckdb", "postgres")


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for projects and databases; a Postgres server that was started in it ends with it."""
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    folder = Path(tempfile.mkdtemp(prefix="batch-audit-bench-"))
    server = lead_run()
    try:
        yield folder
    finally:
        end_run(server)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(engine: str, folder: Path, name: str) -> Iterator[Target]:
    """An empty database on the engine, gone at the end."""
    if engine == "duckdb":
        path = folder / f"{name}.duckdb"
        try:
            yield Target(engine, name, path=path)
        finally:
            path.unlink(missing_ok=True)
    else:
        with fresh_database(server_url()) as connection:
            yield Target(engine, connection["dbname"], connection=connection)
