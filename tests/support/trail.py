"""What a project's audit store says, and a database that the tests of one module share."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.postgres import fresh_database, server_url
from tests.support.project import Project
from tests.support.recompute import record_hash
from tests.support.target import Target


@contextmanager
def database(engine: str, folder: Path) -> Iterator[Target]:
    """An empty database on an engine, for fixtures that live longer than one test."""
    if engine == "duckdb":
        yield Target(engine="duckdb", database="warehouse", path=folder / "warehouse.duckdb")
        return
    with fresh_database(server_url()) as connection:
        yield Target(engine="postgres", database=connection["dbname"], connection=connection)


@dataclass(frozen=True)
class Change:
    """One recorded change of one record; values are canonical texts by column name."""

    kind: str
    changed: tuple[str, ...] | None
    before: dict[str, str | None] | None
    after: dict[str, str | None] | None


@dataclass(frozen=True)
class Trail:
    """The events of a project's store, read by a driver connection of its own."""

    project: Project

    def events(self, **columns: str | None) -> list[dict[str, Any]]:
        """Events whose columns have the given values (None: whatever they have), with their payloads.

        `metadata`, `changed_fields`, `old_value` and `new_value` are read as JSON.
        """
        rows = self.project.audit(
            "select e.*, p.old_hash, p.record_hash, p.old_value, p.new_value from {audit}.audit_event as e"
            " left join {audit}.audit_payload as p using (event_id) order by e.occurred_at, e.part, e.seq"
        )
        wanted = {column: value for column, value in columns.items() if value is not None}
        rows = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
        for row in rows:
            for column in ("metadata", "changed_fields", "old_value", "new_value"):
                row[column] = None if row[column] is None else json.loads(row[column])
        return rows

    def invocations(self) -> list[str]:
        """The ids of dbt's invocations in the order of their starts."""
        return [event["invocation_id"] for event in self.events(event_type="batch_start")]

    def node(self, name: str) -> str:
        """The unique_id of a model of the project."""
        return f"model.{self.project.name}.{name}"

    def changes(self, name: str, invocation: str | None = None) -> dict[str | None, Change]:
        """The changes of a model's records by record id; checks each one's hashes against its values."""
        found: dict[str | None, Change] = {}
        rows = self.events(event_type="record_write", target=self.node(name), invocation_id=invocation)
        ignored = {row["invocation_id"]: self.capture(name, row["invocation_id"])["ignored"] for row in rows}
        for row in rows:
            changed = None if row["changed_fields"] is None else tuple(row["changed_fields"])
            assert row["record_id"] not in found, f"{name} {row['record_id']} was recorded twice"
            found[row["record_id"]] = Change(row["change_type"], changed, row["old_value"], row["new_value"])
            self._check_hashes(name, row, ignored[row["invocation_id"]])
        return found

    def _check_hashes(self, name: str, row: dict[str, Any], ignored: list[str]) -> None:
        for values, stored in ((row["old_value"], row["old_hash"]), (row["new_value"], row["record_hash"])):
            compared = {k: v for k, v in (values or {}).items() if k not in ignored}
            expected = None if values is None else record_hash(self.node(name), compared)
            assert stored == expected, f"{name} {row['record_id']}: {stored} is not the hash of {compared}"

    def capture(self, name: str, invocation: str | None = None) -> dict[str, Any]:
        """What the last (or an invocation's) capture of a model says of itself; an empty mapping without one."""
        node = self.node(name)
        captures = self.events(event_type="checkpoint", target=node, part=node, invocation_id=invocation)
        return captures[-1]["metadata"] if captures else {}

    def not_captured(self, name: str, invocation: str | None = None) -> list[str]:
        """The reasons why a model's changes were not captured."""
        events = self.events(event_type="not_captured", target=self.node(name), invocation_id=invocation)
        return [event["metadata"]["reason"] for event in events]

    def outcome(self, name: str, invocation: str | None = None) -> tuple[str, str | None]:
        """dbt's status of a model in its last (or an invocation's) run, and the error that it ended with."""
        node = self.node(name)
        events = self.events(event_type="checkpoint", target=node, part="end", invocation_id=invocation)
        return events[-1]["metadata"]["status"], events[-1]["error_message"]
