"""Reads the package's views, and keeps account of what was read: a report names its own sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batch_audit.errors import StoreMissingError
from batch_audit.warehouses.base import Warehouse

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """One query of a report: what it was for, its SQL and how many rows it gave."""

    purpose: str
    sql: str
    rows: int


@dataclass
class Reader:
    """Runs a report's queries. `{name}` in a query is a view or a parameter; both are quoted here."""

    warehouse: Warehouse
    parameters: Mapping[str, str]
    sources: list[Source] = field(default_factory=list)

    def rows(self, purpose: str, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, which is noted with its purpose."""
        text = " ".join(sql.split()).format_map(_Names(self.warehouse, self.parameters))
        found = self.warehouse.query(text)
        self.sources.append(Source(purpose, text, len(found)))
        return found


class _Names(dict[str, str]):
    """Replaces `{name}`: a parameter by its literal, everything else by the view of that name."""

    def __init__(self, warehouse: Warehouse, parameters: Mapping[str, str]):
        super().__init__({name: warehouse.literal(value) for name, value in parameters.items()})
        self._warehouse = warehouse

    def __missing__(self, name: str) -> str:
        return self._warehouse.table(name)


def views(warehouse: Warehouse) -> set[str]:
    """The names of the package's views that the audit schema has."""
    rows = warehouse.query(
        "select table_name from information_schema.views"
        f" where table_schema = {warehouse.literal(warehouse.audit_schema)}"
        f" and table_catalog = {warehouse.literal(warehouse.database)}"
    )
    return {str(row["table_name"]) for row in rows}


def require_views(warehouse: Warehouse) -> None:
    """Raises StoreMissingError if there is no store, or if its views have not been built."""
    place = f"{warehouse.database}.{warehouse.audit_schema}"
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in {place}, so there is nothing to report.\n"
            "  Run an audited batch first (`batch-audit run -- dbt build`), or name the right --target or"
            " --audit-schema."
        )
    if "rpt_batch_summary" not in views(warehouse):
        raise StoreMissingError(
            f"The audit store in {place} has no report views, from which reports are read.\n"
            "  `batch-audit init` builds them; it leaves everything else as it is."
        )
