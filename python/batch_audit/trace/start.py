"""Where a trace starts: the code that is on record, the node, and the record, which must be there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from batch_audit.errors import ConfigurationError, WarehouseError
from batch_audit.history.moments import parse_time
from batch_audit.history.names import parse_key
from batch_audit.lineage.code import NodeCode, codes_from_records, codes_of_manifest
from batch_audit.lineage.explore.from_store import lineage_records, moment_of
from batch_audit.lineage.explore.known import Dataset, Origin
from batch_audit.lineage.explore.names import readings
from batch_audit.reports.text import shortened
from batch_audit.trace.reader import Reader
from batch_audit.trace.result import Record
from batch_audit.trace.sql import near_sql
from batch_audit.warehouses.base import Warehouse

_NEAR = 3
_SHOWN = 200
"""Characters of a key in an error."""


def codes_on_record(warehouse: Warehouse, as_of: str | None) -> tuple[dict[str, NodeCode], Origin]:
    """The code of each node as the newest batch, or the one that `as_of` names, left it on record."""
    until = None if as_of is None else moment_of(warehouse, as_of)
    codes = codes_from_records(lineage_records(warehouse, until))
    recorded = max(((code.recorded_at or 0, code.batch_id) for code in codes.values()), default=None)
    place = f"{warehouse.database}.{warehouse.audit_schema}"
    return codes, Origin("store", place, *(recorded or (None, None)))


def codes_in_target(folder: Path) -> tuple[dict[str, NodeCode], Origin]:
    """The code of each node as dbt's artifacts have it. Raises ConfigurationError where they cannot be read."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_bytes())
        codes = codes_of_manifest(manifest, folder / "compiled")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.\n  `dbt compile` writes it.") from error
    made = parse_time(str((manifest.get("metadata") or {}).get("generated_at")))
    return codes, Origin("manifest", str(path), made)


def find_code(model: str, codes: Mapping[str, NodeCode]) -> NodeCode:
    """The node that a name means: see `readings`. Raises ConfigurationError with near names, or for several."""
    datasets = {
        name: Dataset(name, name.split(".", 1)[0], ".".join(f'"{part}"' for part in code.relation))
        for name, code in codes.items()
    }
    found = {one.unique_id: None for one in readings(model, datasets) if one.column is None}
    if not found:
        first = readings(model, datasets)[0]
        raise ConfigurationError(
            f"There is no model, source, seed or snapshot {model!r}.\n"
            f"  {first.unique_id} is there: give its name alone."
        )
    if len(found) > 1:
        raise ConfigurationError(f"{model!r} names several nodes: {', '.join(found)}.\n  Give the unique_id.")
    return codes[next(iter(found))]


def find_record(reader: Reader, code: NodeCode, key: str | None, named: Sequence[str]) -> Record:
    """The record that a key means.

    Raises ConfigurationError where the node's key is not known, its relation is not there, or it has no such record.
    """
    columns = reader.columns(code.node)
    if code.kind == "ephemeral":
        raise ConfigurationError(
            f"{code.name} is ephemeral: it is a part of the SQL of the models that read it, and has no records.\n"
            "  Trace a record of one of these."
        )
    if not columns:
        raise ConfigurationError(
            f"{code.name}: its relation {'.'.join(code.relation)} is not in the database {reader.warehouse.database}.\n"
            "  Build it, or name the right --target."
        )
    key_columns = reader.key(code.node)
    if not key_columns:
        missing = f": it has no column {', '.join(code.key)}" if code.key else ""
        raise ConfigurationError(
            f"{code.name}: what identifies its records is not known{missing}.\n"
            "  Name its key with meta: {audit_key: [...]}, or give its key column unique and not_null tests; then build"
            " with `batch-audit run`, or run `dbt compile`."
        )
    wanted = reader.warehouse.storable(parse_key(key_columns, key, named))
    try:
        found = reader.records(code.node, [wanted])[wanted]
    except WarehouseError:  # the value may be none of the column's type
        found = reader.records(code.node, [wanted], fast=False)[wanted]
    if found.hash is None:
        raise ConfigurationError(_not_there(reader, code, found))
    return found


def _not_there(reader: Reader, code: NodeCode, record: Record) -> str:
    said = f"{code.name} has no record {shortened(record.record_id, _SHOWN)!r} ({', '.join(record.key)})"
    if reader.until is not None:
        said += f" as of batch {reader.until[1]}"
    if record.note:
        remedy = "--as-of with an earlier batch traces it as it was, where the log can tell that."
        return f"{said}: {record.note}.\n  {remedy}"
    relation = ".".join(f'"{part}"' for part in code.relation)
    identity = reader.identity(code.node)
    rows = reader.warehouse.query(near_sql(reader.warehouse, identity, relation, record.record_id, _NEAR))
    near = [str(row["record_id"]) for row in rows if row["record_id"] is not None]
    total = int(rows[0]["total"]) if rows else 0
    listed = f"  Near are: {', '.join(map(repr, near))}." if near else "  No key begins like it."
    return f"{said}; it has {total:,}.\n{listed} Values are canonical texts: 12.5, 2013-01-31T05:00:00.000000, true."
