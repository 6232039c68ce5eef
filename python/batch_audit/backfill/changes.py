"""SQL that turns the versions which no capture saw into events with their payloads. Nothing is read here."""

from __future__ import annotations

import json
from collections.abc import Sequence

from batch_audit.backfill.versions import VERSIONS, Versions
from batch_audit.history.captures import Capture
from batch_audit.history.replay import changes_sql, edges_sql
from batch_audit.ledger.rows import Segment
from batch_audit.ledger.store_sql import row_text_sql
from batch_audit.ledger.tables import COMMITTED, EVENT, PAYLOAD
from batch_audit.ledger.text import FORMAT_VERSION, escape
from batch_audit.warehouses.base import Column, Warehouse

LIMITS, CHANGES, WRITES = "batch_audit_limits", "batch_audit_changes", "batch_audit_writes"
"""Temporary tables: how far the versions of a record go, the changes that are not in the store yet, and their rows."""
_FIRST_SEQ = 2
"""The first number of a record's event: the checkpoint stands before them."""


def limits_sql(table: Versions, captures: Sequence[Capture]) -> str:
    """Makes LIMITS from the first captured change of each record.

    Its columns: record_id; last_n and last_end (the last version whose beginning and whose end no capture saw); unknown
    (neither can be told). An insert tells the version that it made, an update or a delete the version that it ended.
    """
    warehouse = table.warehouse
    tables = (warehouse.table(EVENT.name), warehouse.table(PAYLOAD.name))
    name = table.own("dbt_valid_from").name
    made, (version_made,) = warehouse.values.json_fields("new_value", [name], "made")
    ended, (version_ended,) = warehouse.values.json_fields("old_value", [name], "ended")
    return f"""
create temporary table {LIMITS} as
{changes_sql(captures, table.snapshot.unique_id, *tables, warehouse.literal)}, firsts as (
  select record_id, change_type,
    case when change_type = 'insert' then {version_made} else {version_ended} end as version
  from (select e.*, {made} as made, {ended} as ended from ({edges_sql("asc")}) as e) as e
)
select f.record_id, max(v.n) - max(case when change_type = 'insert' then 1 else 0 end) as last_n,
  max(v.n) - 1 as last_end, max(v.n) is null as unknown
from firsts as f left join {VERSIONS} as v on v.record_id = f.record_id and v.version = f.version
group by f.record_id"""


def pending_sql(table: Versions, backfills: Sequence[Capture], until: int | None) -> str:
    """Makes CHANGES from the versions that no capture saw, without what earlier backfills wrote.

    Its columns: record_id; n; departs (the version goes); change_type; occurred_at; rewritten (an earlier backfill
    wrote something later of the record); later (it happened at or after `until`, microseconds UTC, to a record of
    which no capture saw a change: a build without the audit did it, or its time is wrong).
    """
    warehouse = table.warehouse
    differs = " or ".join(f"b_{i} is distinct from c_{i}" for i, _ in table.compared) or "false"
    segments = ", ".join(warehouse.literal(capture.segment) for capture in backfills) or "null"
    later = "false" if until is None else f"c.last_n is null and c.occurred_at >= {until}"
    return f"""
create temporary table {CHANGES} as
with known as (
  select v.*, l.last_n, l.last_end from {VERSIONS} as v left join {LIMITS} as l on l.record_id = v.record_id
  where not coalesce(l.unknown, false) and not v.deleted
), changes as (
  select record_id, n, false as departs, case when continues then 'update' else 'insert' end as change_type,
    from_us as occurred_at, last_n
  from known where n <= coalesce(last_n, n) and (not continues or {differs})
  union all
  select record_id, n, true, 'delete', to_us, last_n from known where ends and n <= coalesce(last_end, n)
), recorded as (
  select record_id, change_type, occurred_at from {warehouse.table(EVENT.name)}
  where event_type = 'record_write' and target = {warehouse.literal(table.snapshot.unique_id)}
    and segment in ({segments})
), latest as (
  select record_id, max(occurred_at) as occurred_at from recorded group by record_id
)
select c.record_id, c.n, c.departs, c.change_type, c.occurred_at, {later} as later,
  coalesce(c.occurred_at < x.occurred_at, false) as rewritten
from changes as c left join latest as x on x.record_id = c.record_id
where not exists (select 1 from recorded as r where r.record_id = c.record_id and r.change_type = c.change_type
  and r.occurred_at = c.occurred_at)"""


def writes_sql(table: Versions, segment: Segment) -> str:
    """Makes WRITES: the changes in the order of their times as rows of audit_event and audit_payload, ids included."""
    warehouse = table.warehouse
    names = [column for column in EVENT.columns if column != "event_id"]
    committed = warehouse.sha256_hex(row_text_sql(PAYLOAD, COMMITTED))
    event_id = warehouse.sha256_hex(row_text_sql(EVENT, EVENT.hashed))
    shared = {
        "segment": segment.segment, "part": table.snapshot.unique_id, "batch_id": segment.batch_id,
        "batch_month": segment.batch_month, "event_type": "record_write", "target": table.snapshot.unique_id,
    }  # fmt: skip
    own = (
        "seq",
        "occurred_at",
        "record_id",
        "change_type",
        "changed_fields",
        "payload_commitment",
        "metadata",
    )
    constant = [
        f"cast({warehouse.literal(shared[name]) if name in shared else 'null'} as text) as {name}"
        for name in names
        if name not in own
    ]
    return f"""
create temporary table {WRITES} as
with spoken as (
  select {_FIRST_SEQ - 1} + row_number() over (order by c.occurred_at, c.record_id, c.n, c.departs) as seq,
    c.occurred_at, c.record_id, c.change_type, {_told(table)}
  from {CHANGES} as c join {VERSIONS} as v on v.record_id = c.record_id and v.n = c.n where not c.later
), salted as (
  select spoken.*, cast(gen_random_uuid() as text) as salt, cast(null as text) as subject_id from spoken
), committed as (
  select salted.*, {committed} as payload_commitment, {", ".join(constant)} from salted
)
select committed.*, {event_id} as event_id from committed"""


def insert_sql(warehouse: Warehouse) -> list[str]:
    """The statements that store WRITES."""
    return [
        f"insert into {warehouse.table(table.name)} ({', '.join(table.columns)})"
        f" select {', '.join(table.columns)} from {WRITES} order by seq"
        for table in (EVENT, PAYLOAD)
    ]


def _told(table: Versions) -> str:
    """changed_fields, metadata, hashes and values of a change, from its version v."""
    now, before = (
        [(column.name, f"v.{side}_{i}") for i, column in enumerate(table.ordered)] for side in ("c", "b")
    )
    changed = " || ".join(
        f"case when v.b_{i} is distinct from v.c_{i} then {_member(table, column)} else '' end"
        for i, column in table.compared
    )
    compared = {column.name for _, column in table.compared}
    hashes = [_hash_sql(table, [pair for pair in side if pair[0] in compared]) for side in (now, before)]
    values = [table.warehouse.values.json_object(side) for side in (now, before)]
    old = "case c.change_type when 'delete' then {} when 'update' then {} end"
    new = "case when c.change_type <> 'delete' then {} end"
    return (
        f"case when c.change_type = 'update' then '[' || ltrim({changed or chr(39) * 2}, ',') || ']' end as"
        " changed_fields,"
        f" {_metadata()} as metadata, {old.format(*hashes)} as old_hash, {new.format(hashes[0])} as record_hash,"
        f" {old.format(*values)} as old_value, {new.format(values[0])} as new_value"
    )


def _metadata() -> str:
    """The times from which the versions before and after the change are valid, as dbt wrote them."""
    previous = "case c.change_type when 'delete' then v.version when 'update' then v.previous end"
    version = "case when c.change_type <> 'delete' then v.version end"
    return (
        '\'{"kind":"backfill"\''
        f" || coalesce(',\"previous\":\"' || {previous} || '\"', '')"
        f" || coalesce(',\"version\":\"' || {version} || '\"', '') || '}}'"
    )


def _member(table: Versions, column: Column) -> str:
    return table.warehouse.literal("," + json.dumps(column.name, ensure_ascii=False))


def _hash_sql(table: Versions, pairs: Sequence[tuple[str, str]]) -> str:
    """The record's hash (docs/reference/store.md, "Record text")."""
    warehouse = table.warehouse
    parts = [warehouse.literal(f"{FORMAT_VERSION}|{escape(table.snapshot.unique_id)}")]
    for name, text in pairs:
        head = warehouse.literal(f"|{escape(name).replace('=', '~2')}=")
        parts.append(f"coalesce({head} || replace(replace({text}, '~', '~0'), '|', '~1'), '')")
    return warehouse.sha256_hex(" || ".join(parts))
