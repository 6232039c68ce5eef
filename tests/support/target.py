"""The database that one test works on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import yaml


@dataclass(frozen=True)
class Target:
    """An empty database: a DuckDB file (`path`) or a database on the Postgres server (`connection`)."""

    engine: str
    database: str
    schema: str = "shop"
    path: Path | None = None
    connection: dict[str, str] = field(default_factory=dict)

    @property
    def audit_schema(self) -> str:
        """Where the audit store lies by default."""
        return f"{self.schema}_audit"

    def output(self, **overrides: Any) -> dict[str, Any]:
        """The target's entry in profiles.yml, as a mapping."""
        if self.engine == "duckdb":
            common: dict[str, Any] = {
                "type": "duckdb",
                "path": str(self.path),
                "schema": self.schema,
                "threads": 2,
            }
        else:
            common = {
                "type": "postgres", "host": self.connection["host"],
                "port": int(self.connection.get("port", 5432)),
                "user": self.connection["user"], "password": self.connection.get("password", "unused"),
                "dbname": self.database, "schema": self.schema, "threads": 2,
            }  # fmt: skip
        return common | overrides

    def profile_yaml(self, name: str = "shop", **overrides: Any) -> str:
        """A profiles.yml with a profile `name` and a target `dev`; `overrides` change the target's keys."""
        profiles = {name: {"target": "dev", "outputs": {"dev": self.output(**overrides)}}}
        text: str = yaml.safe_dump(profiles, sort_keys=False)
        return text

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A driver connection in autocommit, independent of the code under test."""
        connection: Any = self._connect()
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self) -> Any:
        if self.engine == "duckdb":
            return duckdb.connect(str(self.path))
        connection = psycopg2.connect(**self.connection)
        connection.autocommit = True
        return connection

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query by column name; an empty list for a statement that returns none."""
        with self.connected() as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            if not cursor.description:
                return []
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
