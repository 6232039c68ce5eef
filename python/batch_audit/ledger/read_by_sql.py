"""Reading the store by SQL: rows stay in the warehouse; nodes, counts and damaged rows come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from batch_audit.ledger import store_sql
from batch_audit.ledger.block import Tree
from batch_audit.ledger.merkle import FAN_OUT, root_over_nodes
from batch_audit.ledger.observed import Committed, Leaf, Observed, Payload, Progress, take_payload_pair
from batch_audit.ledger.tables import EVENT, PAYLOAD, SEALED, Table
from batch_audit.warehouses.base import Warehouse

_LISTED = 500
"""Up to so many segments are named in a condition; beyond that all rows are read."""


def read_by_sql(warehouse: Warehouse, observed: Observed, progress: Progress, within: str = "1 = 1") -> None:
    """Read the rows of every table under a condition, month by month, which bounds what a query has to sort.

    On Postgres a month is a partition.
    """
    months = {table: _months(warehouse, table, observed, within) for table in (*SEALED, PAYLOAD)}
    reported = _Reported(progress, sum(observed.rows.values()))
    for table in SEALED:
        trees = _TreeReader(warehouse, table, observed)
        for month in months[table]:
            reported.begin(table.name, month.rows)
            trees.read(month.where)
        trees.read_suspicious()
    _read_payloads(warehouse, months, observed, reported, within)
    _read_ended(warehouse, observed)
    progress("", 1.0)


def segment_trees(warehouse: Warehouse, segments: Iterable[str]) -> dict[tuple[str, str], Tree]:
    """The trees of some segments' sealed tables, by (table, segment); tables without rows are left out."""
    observed = Observed(block_of={})
    wanted = sorted(set(segments))
    for table in SEALED:
        trees = _TreeReader(warehouse, table, observed)
        for start in range(0, len(wanted), _LISTED):
            trees.read(store_sql.in_segments(warehouse, wanted[start : start + _LISTED]))
        trees.read_suspicious()
    return observed.trees


class _Month(NamedTuple):
    """The rows of a table in one month: their condition, their number, and how many committed to a payload."""

    where: str
    rows: int
    committed: int


class _Reported:
    """Progress by rows: what has begun counts as soon as the next thing begins."""

    def __init__(self, progress: Progress, total: int):
        self._progress, self._total = progress, max(1, total)
        self._done = self._doing = 0

    def begin(self, name: str, rows: int) -> None:
        self._done += self._doing
        self._doing = rows
        self._progress(name, self._done / self._total)


def _months(warehouse: Warehouse, table: Table, observed: Observed, within: str) -> list[_Month]:
    """The months that a table holds; notes the number of its rows, and rows that have no place."""
    committed = "count(payload_commitment)" if table is EVENT else "0"
    unplaced = store_sql.UNPLACED
    found = warehouse.query(
        f"select batch_month, count(*) as n, {committed} as committed,"
        f" count(*) filter (where {unplaced}) as unplaced"
        f" from {warehouse.table(table.name)} where {within} group by batch_month order by batch_month"
    )
    observed.rows[table.name] = sum(row["n"] for row in found)
    if table is not PAYLOAD and any(row["unplaced"] for row in found):
        columns = "segment, part, seq" + (", event_id" if table is EVENT else "")
        rows = warehouse.stream(
            f"select {columns} from {warehouse.table(table.name)} where ({unplaced}) and {within}"
        )
        _note_rows(observed, "row_unplaced", table, columns, rows)
    return [
        _Month(f"{_in_month(warehouse, row['batch_month'])} and {within}", row["n"], row["committed"])
        for row in found
    ]


def _in_month(warehouse: Warehouse, month: str | None) -> str:
    return "batch_month is null" if month is None else f"batch_month = {warehouse.literal(month)}"


class _TreeReader:
    """Reads the trees of one table; what the fast way cannot place or finds edited is read again, row by row."""

    def __init__(self, warehouse: Warehouse, table: Table, observed: Observed):
        self._warehouse, self._table, self._observed = warehouse, table, observed
        self._irregular: set[str] = set()
        self._edited: set[str] = set()

    def read(self, where: str) -> None:
        """Take the trees of the segments under a condition. A segment that comes twice is irregular."""
        # Not streamed: a cursor would keep Postgres from using its parallel workers, and nodes are few.
        nodes = self._warehouse.query(store_sql.nodes_sql(self._warehouse, self._table, where))
        for segment, group in groupby(nodes, key=lambda node: str(node["segment"])):
            of_segment = list(group)
            if any(node["edited"] for node in of_segment):
                self._edited.add(segment)
            if (self._table.name, segment) in self._observed.trees or not _regular(of_segment):
                self._irregular.add(segment)
            else:
                root = root_over_nodes([node["hash"] for node in of_segment])
                self._observed.trees[self._table.name, segment] = Tree(of_segment[0]["rows_in_segment"], root)

    def read_suspicious(self) -> None:
        """Name edited events, and take irregular segments leaf by leaf: their numbers do not give a row's place."""
        if self._edited:
            where = _listed(self._warehouse, self._edited)
            columns = "segment, part, seq, event_id, event_type, target, record_id"
            rows = self._warehouse.stream(store_sql.edited_events_sql(self._warehouse, where))
            _note_rows(self._observed, "event_edited", EVENT, columns, rows)
        if self._irregular:
            where = _listed(self._warehouse, self._irregular)
            leaves = _flat(self._warehouse.stream(store_sql.leaves_sql(self._warehouse, self._table, where)))
            for segment, group in groupby(leaves, key=lambda row: str(row[0])):
                if segment in self._irregular:
                    self._observed.take_segment(self._table.name, segment, (Leaf(*row[1:]) for row in group))


def _regular(nodes: Sequence[dict[str, Any]]) -> bool:
    """True if the segment's nodes are the full, dense sequence that its number of rows demands."""
    rows = nodes[0]["rows_in_segment"]
    expected = [(start, min(FAN_OUT, rows - start)) for start in range(0, rows, FAN_OUT)]
    dense = all(node["leaves"] == node["places"] for node in nodes)
    found = [(node["node"], node["leaves"]) for node in nodes]
    return dense and not nodes[0]["irregular"] and found == expected


def _read_payloads(
    warehouse: Warehouse,
    months: dict[Table, list[_Month]],
    observed: Observed,
    reported: _Reported,
    within: str,
) -> None:
    """Screen payloads month by month; if one is not as it should be, find all that are not, over all months."""
    payloads = {month.where: month.rows for month in months[PAYLOAD]}
    committed = {month.where: month.committed for month in months[EVENT]}
    intact = True
    for where in {**payloads, **committed}:
        reported.begin(PAYLOAD.name, payloads.get(where, 0))
        (counts,) = warehouse.query(store_sql.payload_screen_sql(warehouse, where))
        observed.erased += counts["erased"]
        # More pairs than events that committed: an event has several payloads.
        one_each = counts["pairs"] + counts["erased"] == committed.get(where, 0)
        intact = intact and one_each and counts["damaged"] == 0
    if not intact:
        _find_damaged_payloads(warehouse, observed, within)


def _find_damaged_payloads(warehouse: Warehouse, observed: Observed, within: str) -> None:
    for row in _flat(warehouse.stream(store_sql.payload_damages_sql(warehouse, within))):
        event = Committed(*row[2:11]) if row[0] else None
        take_payload_pair(observed, event, Payload(*row[11:]) if row[1] else None)
    for segment, part, seq, event_id, copies in _flat(
        warehouse.stream(store_sql.payload_copies_sql(warehouse, within))
    ):
        place = {"part": part, "seq": seq, "event_id": event_id, "detail": f"{copies} payloads"}
        observed.note("payload_duplicated", PAYLOAD.name, segment, **place)
    (counts,) = warehouse.query(store_sql.erased_sql(warehouse, within))
    observed.erased = counts["erased"]


def _read_ended(warehouse: Warehouse, observed: Observed) -> None:
    """Find the unsealed segments that hold their batch's end."""
    unsealed = observed.registered - {segment for _, segment in observed.block_of}
    if unsealed:
        where = f"event_type = 'batch_end' and segment is not null and {_listed(warehouse, unsealed)}"
        found = warehouse.query(f"select distinct segment from {warehouse.table(EVENT.name)} where {where}")
        observed.ended = {row["segment"] for row in found}


def _note_rows(
    observed: Observed, kind: str, table: Table, columns: str, lists: Iterable[list[tuple[Any, ...]]]
) -> None:
    names = columns.split(", ")[1:]
    for segment, *place in _flat(lists):
        observed.note(kind, table.name, segment, **dict(zip(names, place, strict=True)))


def _listed(warehouse: Warehouse, segments: set[str]) -> str:
    return store_sql.in_segments(warehouse, segments) if len(segments) <= _LISTED else "1 = 1"


def _flat(lists: Iterable[list[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
    for rows in lists:
        yield from rows
