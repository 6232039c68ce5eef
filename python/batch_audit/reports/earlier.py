"""What the store has of the shown records from before: how often they changed, and their last versions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_audit.reports.reader import Reader, Row
from batch_audit.reports.records import RecordChange, record_change

UP_TO = 2_000_000
"""Sealed events of a store up to which earlier versions are looked for: it takes a pass over all events."""
VERSIONS_LISTED = 3
FIELDS_LISTED = 1200
VALUE_LISTED = 80

_SEALED = (
    "select coalesce(sum(leaf_count), 0) as events from {stg_audit_blocks} where table_name = 'audit_event'"
)
_EARLIER = """
    with shown as (select node_id, record_id, capture_no from ({changes}) as sample where capture_no is not null),
    captures as (
        select segment, part, max(capture_no) as capture_no from {{fct_audit_captures}} group by segment, part
    ),
    earlier as (
        select
            shown.node_id, shown.record_id, shown.capture_no as before_capture, events.event_id, events.batch_id,
            events.batch_month, events.segment, events.part, events.seq, events.occurred_at as changed_at, events.actor,
            events.change_type, events.changed_fields as changed_fields_json, captures.capture_no,
            row_number() over (
                partition by shown.node_id, shown.record_id, shown.capture_no
                order by captures.capture_no desc, events.occurred_at desc, events.seq desc, events.event_id
            ) as back,
            count(*) over (partition by shown.node_id, shown.record_id, shown.capture_no) as versions
        from {{stg_audit_events}} as events
        inner join shown on events.target = shown.node_id and events.record_id = shown.record_id
        inner join captures on events.segment = captures.segment and events.part = captures.part
        where events.event_type = 'record_write' and captures.capture_no < shown.capture_no
    )
    select
        earlier.*, payloads.old_value as old_values, payloads.new_value as new_values,
        earlier.back <= {listed} and payloads.event_id is null as values_erased
    from earlier
    left join {{stg_audit_payloads}} as payloads
        on earlier.back <= {listed} and earlier.event_id = payloads.event_id
        and earlier.batch_month = payloads.batch_month
    where earlier.back <= {listed} or earlier.back = earlier.versions
    order by node_id, record_id, before_capture, back
"""


@dataclass(frozen=True)
class Earlier:
    """What a record was before a change: how many versions, the first and the last of them, and the last ones in full.

    `listed` is newest first: the row of each version and what it changed; empty where the page has no room left.
    """

    versions: int
    first: Row
    last: Row
    listed: Sequence[tuple[Row, RecordChange]]


def read_earlier(read: Reader, changes: str) -> tuple[list[dict[str, Any]], int | None]:
    """The earlier versions of the records that the query `changes` shows, each record's newest and its first.

    One pass for all records: on Postgres a look-up for each of 400 took 30 s, where the pass takes half a second.
    Instead of them the number of events, in a store that is too large for it.
    """
    events = int(read.rows("size of the store", _SEALED)[0]["events"])
    if events > UP_TO:
        return [], events
    sql = _EARLIER.format(changes=changes, listed=VERSIONS_LISTED)
    with read.warehouse.whole_passes():
        return read.rows("earlier versions of the shown records", sql), None


def _listed(row: Row) -> bool:
    return int(row["back"]) <= VERSIONS_LISTED


class EarlierVersions:
    """Gives each shown change what came before it, as long as there is room for fields on the page."""

    def __init__(self, rows: Sequence[Row]):
        self._rows: dict[Any, list[Row]] = {}
        for row in rows:
            self._rows.setdefault((row["node_id"], row["record_id"], row["before_capture"]), []).append(row)
        self._room = FIELDS_LISTED

    def of(self, change: Mapping[str, Any], ignored: Collection[str]) -> Earlier | None:
        """What came before a row of fct_record_changes; None where the store has nothing."""
        rows = self._rows.get((change["node_id"], change["record_id"], change["capture_no"]))
        if not rows:
            return None
        listed = [(row, record_change(row, ignored)) for row in rows if _listed(row)]
        self._room -= sum(len(version.telling) for _, version in listed)
        return Earlier(int(rows[0]["versions"]), rows[-1], rows[0], listed if self._room >= 0 else [])
