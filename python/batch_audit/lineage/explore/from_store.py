"""Reads the lineage that runs have recorded, as it is now or was after a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batch_audit.errors import ConfigurationError, StoreMissingError
from batch_audit.history.moments import find_batch, parse_time
from batch_audit.lineage.explore.known import Dataset, Known, Origin, kind_of, known
from batch_audit.lineage.project import NodeLineage, ProjectEdge
from batch_audit.warehouses.base import Warehouse

_LINEAGE = "event_type = 'lineage' and part = 'lineage'"


def read_store(
    warehouse: Warehouse, as_of: str | None = None, datasets: Mapping[str, Dataset] | None = None
) -> Known:
    """The lineage on record (`as_of`: after a batch, or at an ISO 8601 time). `datasets`: what else is known of nodes.

    Reads the store's tables, so it needs none of the package's views; see models/core/fct_column_edges_as_of.sql.
    Raises StoreMissingError where no lineage is on record, ConfigurationError for an unknown batch.
    """
    place = f"{warehouse.database}.{warehouse.audit_schema}"
    if not warehouse.store_exists():
        raise StoreMissingError(f"There is no audit store in {place}.\n  `batch-audit run` makes it.")
    until = None if as_of is None else moment_of(warehouse, as_of)
    records = lineage_records(warehouse, until)
    if not records:
        when = "" if as_of is None else f" as of {as_of}"
        raise StoreMissingError(
            f"The audit store in {place} has no column lineage{when}.\n  `batch-audit run -- dbt build` records it."
        )
    newest = max(records.values(), key=lambda record: int(record["occurred_at"]))
    lineages = _lineages(records, _edges(warehouse, until))
    every = dict(datasets or {})
    for name in lineages:
        every.setdefault(name, Dataset(name, kind_of(name)))
    origin = Origin(
        "store", place, int(newest["occurred_at"]), str(newest["batch_id"]), _failures(warehouse, until)
    )
    return replace(known(lineages, every, origin), namespace=warehouse.location)


def recorded_invocation(warehouse: Warehouse, invocation_id: str | None) -> bool:
    """Whether a dbt call of this id is one of the store's batches."""
    if invocation_id is None:
        return False
    wanted = warehouse.literal(invocation_id)
    return bool(
        warehouse.query(
            f"select 1 as found from {warehouse.table('audit_segment')} where invocation_id = {wanted} limit 1"
        )
    )


def moment_of(warehouse: Warehouse, wanted: str) -> int:
    """Until when records count: the last of the batch, which records its lineage after its last node."""
    batch = find_batch(warehouse, wanted)
    if batch is None:
        moment = parse_time(wanted)
        if moment is None:
            raise ConfigurationError(
                f"{wanted!r} is neither a batch nor a time: no batch begins so, and it is not ISO 8601 such as"
                " 2026-11-24T04:33:41Z.\n  `batch-audit status` lists the batches."
            )
        return moment
    [row] = warehouse.query(
        f"select max(case when {_LINEAGE} then occurred_at end) as recorded, max(case when event_type in"
        f" ('batch_start', 'batch_end') then occurred_at end) as ended from {warehouse.table('audit_event')}"
        f" where batch_id = {warehouse.literal(batch)}"
    )
    return int(row["recorded"] or row["ended"] or 0)


def _newest(warehouse: Warehouse, until: int | None) -> str:
    """SQL for the newest record of each node."""
    limit = "" if until is None else f" and occurred_at <= {until}"
    return (
        "select * from (select target, segment, batch_id, batch_month, occurred_at, metadata, row_number()"
        " over (partition by target order by occurred_at desc, segment desc) as recency"
        f" from {warehouse.table('audit_event')}"
        f" where {_LINEAGE} and target is not null{limit}) as ranked where recency = 1"
    )


def lineage_records(warehouse: Warehouse, until: int | None = None) -> dict[str, dict[str, Any]]:
    """The newest record of each node that was not removed, by unique_id: its batch, its time, and what it `told`.

    `until`: as of this time, in microseconds UTC.
    """
    found = {}
    for row in warehouse.query(_newest(warehouse, until)):
        told = json.loads(row["metadata"])
        if told.get("status") != "removed":
            found[str(row["target"])] = {**row, "told": told}
    return found


def _edges(warehouse: Warehouse, until: int | None) -> dict[str, list[ProjectEdge]]:
    """The edges of each node's newest record, by owner."""
    rows = warehouse.query(
        "select e.part, e.source, e.source_column, e.target, e.target_column, e.kind, e.subtype, e.masking,"
        f" e.expression, e.reason from {warehouse.table('audit_column_edge')} as e join"
        f" ({_newest(warehouse, until)}) as n on n.segment = e.segment and n.target = e.part order by e.part, e.seq"
    )
    found: dict[str, list[ProjectEdge]] = {}
    for row in rows:
        edge = ProjectEdge(
            row["part"], row["source"], row["source_column"], row["target"], row["target_column"], row["kind"],
            row["subtype"], row["masking"] == "true", row["expression"] or "", row["reason"],
        )  # fmt: skip
        found.setdefault(edge.owner, []).append(edge)
    return found


def _lineages(
    records: Mapping[str, Mapping[str, Any]], edges: Mapping[str, list[ProjectEdge]]
) -> dict[str, NodeLineage]:
    found = {}
    for name in sorted(records):
        told = records[name]["told"]
        unknown = tuple(
            (one.get("column"), str(one.get("reason")), one.get("sql") or "")
            for one in told.get("unknown") or ()
        )
        found[name] = NodeLineage(
            name, tuple(edges.get(name, ())), unknown, tuple(told.get("columns") or ()),
            told.get("columns_from") or "unknown", tuple(told.get("personal") or ()), told.get("sql_hash"),
        )  # fmt: skip
    return found


def _failures(warehouse: Warehouse, until: int | None) -> tuple[str, ...]:
    """Batches whose lineage could not be recorded, after the last one that was."""
    limit = "" if until is None else f" and occurred_at <= {until}"
    table = warehouse.table("audit_event")
    rows = warehouse.query(
        f"select batch_id, error_message from {table} where {_LINEAGE} and target is null{limit} and occurred_at >"
        f" (select max(occurred_at) from {table} where {_LINEAGE} and target is not null{limit}) order by occurred_at"
    )
    return tuple(
        f"batch {row['batch_id']} could not record its lineage: {row['error_message']}" for row in rows
    )
