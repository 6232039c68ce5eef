"""The hash of a record as a capture makes it, in SQL: macros/capture/record_hash_sql.sql for the present row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from batch_audit.history.moments import folded
from batch_audit.ledger.text import FORMAT_VERSION, escape
from batch_audit.warehouses.base import Column, Warehouse, quote_identifier

OWN_COLUMNS = ("audit_batch_id", "audit_loaded_at", "audit_record_hash")
"""Columns that audit_columns() adds; no capture compares them (macros/batch/audit_column_names.sql)."""


def record_hash_sql(
    warehouse: Warehouse, node: str, columns: Sequence[Column], ignored: Collection[str], alias: str
) -> str:
    """The record_hash of a row of a relation: lower-case hex SHA-256 of its record text (docs/reference/store.md).

    `columns` are those of the relation, `ignored` those whose changes do not count for the node.
    """
    fold, literal = warehouse.values.fold, warehouse.literal
    left_out = {folded(fold, name) for name in (*ignored, *OWN_COLUMNS)}
    parts = [literal(f"{FORMAT_VERSION}|{escape(node)}")]
    for column in sorted(columns, key=lambda one: one.name):
        if folded(fold, column.name) not in left_out:
            text = warehouse.values.canonical_text(f"{alias}.{quote_identifier(column.name)}", column.type)
            name = literal("|" + escape(column.name).replace("=", "~2") + "=")
            parts.append(f"coalesce({name} || replace(replace({text}, '~', '~0'), '|', '~1'), '')")
    return warehouse.sha256_hex(" || ".join(parts))
