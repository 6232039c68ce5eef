"""What a database says of itself that a restored copy of it usually does not share."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from batch_audit.errors import WarehouseError
from batch_audit.warehouses.base import Warehouse

UNKNOWN = "unknown"
"""What stands in an identity for a part that the login may not ask for."""


def identity_of(warehouse: Warehouse) -> str | None:
    """One text for the database and the table of blocks; None where an engine tells nothing of the kind.

    For use outside a transaction: a right that is missing would end it.
    """
    reading = {"postgres": _of_postgres, "duckdb": _of_duckdb}.get(warehouse.engine)
    return reading(warehouse) if reading else None


def _of_postgres(warehouse: Warehouse) -> str | None:
    """The cluster's identifier and timeline (new after recovery to a point in time, and after a failover), and the
    oids of database and table (new after pg_restore)."""
    block = warehouse.literal(warehouse.table("audit_block"))
    oids = warehouse.query(
        "select d.oid as database_oid, cast(cast(" + block + " as regclass) as oid) as table_oid"
        " from pg_catalog.pg_database as d where d.datname = current_database()"
    )[0]
    cluster = UNKNOWN
    # Some providers keep these functions to themselves.
    with suppress(WarehouseError):
        found = warehouse.query(
            "select system_identifier, timeline_id from pg_control_system(), pg_control_checkpoint()"
        )[0]
        cluster = f"{found['system_identifier']} timeline {found['timeline_id']}"
    return f"cluster {cluster}, database {oids['database_oid']}, table {oids['table_oid']}"


def _of_duckdb(warehouse: Warehouse) -> str | None:
    """The file's number in its file system: new when another file took its place, not when it was written over."""
    found = warehouse.query(
        f"select path from duckdb_databases() where database_name = {warehouse.literal(warehouse.database)}"
    )
    path = found[0]["path"] if found else None
    if not path or not Path(path).is_file():
        return None
    return f"file {Path(path).stat().st_ino}"
