"""Reading the store by SQL: rows stay in the warehouse; nodes, counts and damaged rows come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from batch_audit.ledger import store_sql
from batch_audit.ledger.block import Tree
from batch_audit.ledger.merkle import FAN_OUT, root_over_nodes
from batch_audit.ledger.observed import Committed, Leaf, Observed, Payload, Progress, take_payload_pair
from batch_audit.ledger.tables import EVENT, PAYLOAD, SEALED, Table
from batch_audit.warehouses.base import Warehouse

_LISTED = 500
"""Up to so many segments are named in a condition; beyond that the whole table is read."""


def read_by_sql(warehouse: Warehouse, observed: Observed, progress: Progress) -> None:
    """Read every table, month by month (a partition on Postgres), which bounds what a query has to sort."""
    months = {table: _months(warehouse, table, observed) for table in (*SEALED, PAYLOAD)}
    total = max(1, sum(observed.rows.values()))
    done = 0
    for table in SEALED:
        edited: set[str] = set()
        irregular: set[str] = set()
        for month, rows in months[table]:
            progress(table.name, done / total)
            edited |= _read_nodes(warehouse, table, _in_month(warehouse, month), observed, irregular)
            done += rows
        _read_edited(warehouse, edited, observed)
        _read_leaves(warehouse, table, irregular, observed)
    intact = True
    for month, rows in _payload_months(months):
        progress(PAYLOAD.name, done / total)
        intact &= _payloads_intact(warehouse, _in_month(warehouse, month), observed)
        done += rows
    if not intact:
        _read_payloads(warehouse, observed)
    _read_ended(warehouse, observed)
    progress("", 1.0)


def segment_trees(warehouse: Warehouse, segments: Iterable[str]) -> dict[tuple[str, str], Tree]:
    """The trees of some segments' sealed tables, by (table, segment); tables without rows are left out."""
    observed = Observed(block_of={})
    wanted = sorted(set(segments))
    for start in range(0, len(wanted), _LISTED):
        where = store_sql.in_segments(warehouse, wanted[start : start + _LISTED])
        for table in SEALED:
            irregular: set[str] = set()
            _read_nodes(warehouse, table, where, observed, irregular)
            _read_leaves(warehouse, table, irregular, observed)
    return observed.trees


def _months(warehouse: Warehouse, table: Table, observed: Observed) -> list[tuple[str | None, int]]:
    """The months that a table holds with their row counts; notes rows that have no place."""
    unplaced = "segment is null or part is null or seq is null"
    found = warehouse.query(
        f"select batch_month, count(*) as n, count(*) filter (where {unplaced}) as unplaced"
        f" from {warehouse.table(table.name)} group by batch_month order by batch_month"
    )
    observed.rows[table.name] = sum(row["n"] for row in found)
    if table is not PAYLOAD and any(row["unplaced"] for row in found):
        columns = "segment, part, seq" + (", event_id" if table is EVENT else "")
        _note_rows(
            observed, "row_unplaced", table, columns, warehouse.stream(
                f"select {columns} from {warehouse.table(table.name)} where {unplaced}"
            )
        )  # fmt: skip
    return [(row["batch_month"], row["n"]) for row in found]


def _payload_months(months: dict[Table, list[tuple[str | None, int]]]) -> list[tuple[str | None, int]]:
    """The months that events or payloads hold, with the payloads' row counts."""
    payloads = dict(months[PAYLOAD])
    return [(month, payloads.get(month, 0)) for month in {**payloads, **dict(months[EVENT])}]


def _in_month(warehouse: Warehouse, month: str | None) -> str:
    return "batch_month is null" if month is None else f"batch_month = {warehouse.literal(month)}"


def _read_nodes(
    warehouse: Warehouse, table: Table, where: str, observed: Observed, irregular: set[str]
) -> set[str]:
    """Take the trees of segments whose rows are numbered as they should be, add the others to `irregular`.

    Gives the segments with edited events. A segment that an earlier month had, too, is irregular.
    """
    edited: set[str] = set()
    # Not streamed: a cursor would keep Postgres from using its parallel workers, and nodes are few.
    nodes = warehouse.query(store_sql.nodes_sql(warehouse, table, where))
    for segment, group in groupby(nodes, key=lambda node: str(node["segment"])):
        of_segment = list(group)
        if any(node["edited"] for node in of_segment):
            edited.add(segment)
        if (table.name, segment) in observed.trees or not _regular(of_segment):
            irregular.add(segment)
        else:
            root = root_over_nodes([node["hash"] for node in of_segment])
            observed.trees[table.name, segment] = Tree(of_segment[0]["rows_in_segment"], root)
    return edited


def _regular(nodes: Sequence[dict[str, Any]]) -> bool:
    """True if the segment's nodes are the full, dense sequence that its number of rows demands."""
    rows = nodes[0]["rows_in_segment"]
    expected = [(start, min(FAN_OUT, rows - start)) for start in range(0, rows, FAN_OUT)]
    dense = all(node["leaves"] == node["places"] for node in nodes)
    return dense and not nodes[0]["irregular"] and [(node["node"], node["leaves"]) for node in nodes] == expected


def _read_edited(warehouse: Warehouse, segments: set[str], observed: Observed) -> None:
    if segments:
        where = _listed(warehouse, segments)
        columns = "segment, part, seq, event_id, event_type, target, record_id"
        rows = warehouse.stream(store_sql.edited_events_sql(warehouse, where))
        _note_rows(observed, "event_edited", EVENT, columns, rows)


def _read_leaves(warehouse: Warehouse, table: Table, segments: set[str], observed: Observed) -> None:
    """Take segments leaf by leaf: numbers that are not dense say nothing about a row's place."""
    if not segments:
        return
    rows = _flattened(warehouse.stream(store_sql.leaves_sql(warehouse, table, _listed(warehouse, segments))))
    for segment, group in groupby(rows, key=lambda row: row[0]):
        if segment in segments:
            observed.take_segment(table.name, segment, (Leaf(*row[1:]) for row in group))


def _payloads_intact(warehouse: Warehouse, where: str, observed: Observed) -> bool:
    """True if every payload is what its event committed to and every event has its payload or an erasure."""
    (counts,) = warehouse.query(store_sql.payload_screen_sql(warehouse, where))
    observed.erased += counts["erased"]
    paired = counts["payloads"] == counts["pairs"] == counts["intact"]
    return paired and bool(counts["events"] == counts["pairs"] + counts["erased"])


def _read_payloads(warehouse: Warehouse, observed: Observed) -> None:
    """Name what is wrong with payloads, over all months."""
    for row in _flattened(warehouse.stream(store_sql.payload_damages_sql(warehouse))):
        event = Committed(*row[2:11]) if row[0] else None
        payload = Payload(*row[11:]) if row[1] else None
        take_payload_pair(observed, event, payload)
    for segment, part, seq, event_id, copies in _flattened(
        warehouse.stream(store_sql.duplicated_payloads_sql(warehouse))
    ):
        detail = f"{copies} payloads"
        observed.note(
            "payload_duplicated", PAYLOAD.name, segment, part=part, seq=seq, event_id=event_id, detail=detail
        )
    (row,) = warehouse.query(store_sql.erased_sql(warehouse))
    observed.erased = row["erased"]


def _read_ended(warehouse: Warehouse, observed: Observed) -> None:
    sealed = {segment for _, segment in observed.block_of}
    unsealed = observed.registered - sealed
    if unsealed:
        where = f"event_type = 'batch_end' and {_listed(warehouse, unsealed)}"
        events = warehouse.table(EVENT.name)
        observed.ended = {row["segment"] for row in warehouse.query(
            f"select distinct segment from {events} where {where} and segment is not null"
        )}  # fmt: skip


def _note_rows(
    observed: Observed, kind: str, table: Table, columns: str, lists: Iterable[list[tuple[Any, ...]]]
) -> None:
    names = columns.split(", ")[1:]
    for segment, *place in _flattened(lists):
        observed.note(kind, table.name, segment, **dict(zip(names, place, strict=True)))


def _listed(warehouse: Warehouse, segments: set[str]) -> str:
    return store_sql.in_segments(warehouse, segments) if len(segments) <= _LISTED else "1 = 1"


def _flattened(lists: Iterable[list[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
    for rows in lists:
        yield from rows
