"""A copy of a test's database that can be put back, as a restored backup is."""

import shutil
from collections.abc import Callable

import psycopg2

from tests.support.target import Target


def copied(target: Target) -> Callable[[], None]:
    """Copy the database as it is now; the result puts the copy in its place. Nobody else may be connected."""
    if target.path is not None:
        path = target.path
        backup = path.with_suffix(".backup")
        shutil.copyfile(path, backup)
        return lambda: shutil.move(backup, path) and None

    name, backup_name = target.database, f"{target.database}_backup"

    def administer(*statements: str) -> None:
        connection = psycopg2.connect(**{**target.connection, "dbname": "postgres"})
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)
        connection.close()

    administer(f"create database {backup_name} template {name}")
    return lambda: administer(
        f"drop database {name} with (force)", f"alter database {backup_name} rename to {name}"
    )
