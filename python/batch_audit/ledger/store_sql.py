"""SQL over the store: texts, leaves and level 1 Merkle nodes, computed where the rows lie.

Written apart from the dbt package's macros on purpose: what they wrote is checked by other code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from batch_audit.ledger.merkle import FAN_OUT
from batch_audit.ledger.tables import BLOCK, COMMITTED, EVENT, PAYLOAD, SEGMENT, Table
from batch_audit.ledger.text import FORMAT_VERSION, NULL_FIELD
from batch_audit.warehouses.base import Warehouse

UNPLACED = "segment is null or part is null or seq is null"
"""A row that has no place in any segment; the store's own constraints forbid it."""


def field_sql(column: str, type_name: str) -> str:
    """A column as a field; the text is scanned once before it is escaped, because hardly any needs it."""
    if type_name == "bigint":
        return f"coalesce(cast({column} as text), '{NULL_FIELD}')"
    escaped = f"replace(replace({column}, '~', '~0'), '|', '~1')"
    special = f"strpos({column}, '~') > 0 or strpos({column}, '|') > 0"
    return f"case when {column} is null then '{NULL_FIELD}' when {special} then {escaped} else {column} end"


def row_text_sql(table: Table, columns: Sequence[str]) -> str:
    """The row text over some columns of a table."""
    parts = [f"'{FORMAT_VERSION}|{table.name}|{len(columns)}'"]
    for column in columns:
        parts += ["'|'", f"({field_sql(column, table.type_of(column))})"]
    return _concatenated(parts)


def _concatenated(parts: Sequence[str]) -> str:
    """The parts joined by `||` as a balanced tree: a chain would copy its growing left side once per part."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_concatenated(parts[:half])} || {_concatenated(parts[half:])})"


def leaf_sql(warehouse: Warehouse, table: Table) -> str:
    """The hash of a row of the table."""
    return warehouse.sha256_hex(row_text_sql(table, table.hashed))


def nodes_sql(warehouse: Warehouse, table: Table, where: str) -> str:
    """Level 1 Merkle nodes: segment, rows_in_segment, irregular, node, leaves, places, edited, hash, in tree order.

    A leaf's place is its part's offset and its number, so that nothing is sorted but each node's children; this holds
    only where `irregular` is 0 and `places` equals `leaves`. `edited` counts events that do not hash to their id.
    """
    id_column = "event_id" if table is EVENT else "cast(null as text)"
    edited = "case when leaf = event_id then 0 else 1 end" if table is EVENT else "0"
    node = f"place - mod(place, {FAN_OUT})"
    count_text = "cast(count(*) as text)"
    children = warehouse.ordered_concat("leaf", "place")
    node_hash = warehouse.sha256_hex(f"'{FORMAT_VERSION}|node|1|' || {count_text} || '|' || {children}")
    source = f"{warehouse.table(table.name)} where {where} and not ({UNPLACED})"
    # Materialized: Postgres would otherwise compute every leaf again for each aggregate that uses it.
    return f"""
with parts as (
  select segment, part, count(*) as n, min(seq) as low, max(seq) as high from {source} group by segment, part
), placed as (
  select segment, part, n, dense_rank() over (order by segment) as segment_no,
    case when low = 1 and high = n then 0 else 1 end as irregular,
    cast(sum(n) over (partition by segment order by part collate "C" rows unbounded preceding) - n as bigint) as before
  from parts
), segments as (
  select segment_no, segment, cast(sum(n) as bigint) as rows_in_segment, max(irregular) as irregular
  from placed group by segment_no, segment
), leaves as materialized (
  select segment, part, seq, {id_column} as event_id, {leaf_sql(warehouse, table)} as leaf from {source}
), numbered as (
  select p.segment_no, p.before + l.seq - 1 as place, l.leaf, {edited} as edited
  from leaves as l join placed as p on p.segment = l.segment and p.part = l.part
), nodes as (
  select segment_no, {node} as node, count(*) as leaves, count(distinct place) as places,
    cast(sum(edited) as bigint) as edited, {node_hash} as hash
  from numbered group by segment_no, {node}
)
select s.segment, s.rows_in_segment, s.irregular, n.node, n.leaves, n.places, n.edited, n.hash
from nodes as n join segments as s on s.segment_no = n.segment_no
order by s.segment_no, n.node"""


def leaves_sql(warehouse: Warehouse, table: Table, where: str) -> str:
    """segment, part, seq, leaf of every placed row."""
    columns = f"segment, part, seq, {leaf_sql(warehouse, table)} as leaf"
    placed = f"{where} and not ({UNPLACED})"
    return f"select {columns} from {warehouse.table(table.name)} where {placed} order by segment"


def edited_events_sql(warehouse: Warehouse, where: str) -> str:
    """segment, part, seq, event_id, event_type, target, record_id of placed events that do not hash to their id."""
    columns = "segment, part, seq, event_id, event_type, target, record_id"
    return f"""
select {columns} from (
  select {columns}, {leaf_sql(warehouse, EVENT)} as leaf
  from {warehouse.table(EVENT.name)} where {where} and not ({UNPLACED})
) as e where leaf is distinct from event_id"""


def payload_screen_sql(warehouse: Warehouse, where: str) -> str:
    """pairs of event and payload, erased events, and damaged ones: pairs that differ, one without the other."""
    columns = "event_id, segment, part, seq, batch_month, payload_commitment"
    return f"""
with {_payload_ctes(warehouse, where, columns)}
select
  count(*) filter (where e.here = 1 and p.here = 1) as pairs,
  count(*) filter (where p.here is null and x.event_id is not null) as erased,
  count(*) filter (where {_payload_damaged()}) as damaged
from {_PAYLOAD_JOIN}"""


def payload_damages_sql(warehouse: Warehouse, where: str) -> str:
    """Columns of Committed, then those of Payload, of all pairs that do not match and are not erased."""
    event = "event_id, segment, part, seq, batch_month, payload_commitment, event_type, target, record_id"
    payload = "event_id, segment, part, seq, batch_month, commitment"
    selected = [f"e.{column}" for column in event.split(", ")] + [
        f"p.{column}" for column in payload.split(", ")
    ]
    return f"""
with {_payload_ctes(warehouse, where, f"distinct {event}")}
select e.here, p.here, {", ".join(selected)}
from {_PAYLOAD_JOIN}
where {_payload_damaged()}"""


def erased_sql(warehouse: Warehouse, where: str) -> str:
    """The number of events without a payload that an erasure event names in `source`."""
    events = warehouse.table(EVENT.name)
    return f"""
select count(*) as erased from {events}
where payload_commitment is not null and {where}
  and event_id in (select source from {events} where event_type = 'erasure' and source is not null)
  and event_id not in (select event_id from {warehouse.table(PAYLOAD.name)} where event_id is not null)"""


def payload_copies_sql(warehouse: Warehouse, where: str) -> str:
    """segment, part, seq, event_id, copies of the events that have more than one payload."""
    return f"""
select distinct e.segment, e.part, e.seq, e.event_id, p.copies
from (
  select segment, part, seq, event_id from {warehouse.table(EVENT.name)}
  where payload_commitment is not null and {where}
) as e
join (
  select event_id, count(*) as copies from {warehouse.table(PAYLOAD.name)} where {where}
  group by event_id having count(*) > 1
) as p on p.event_id = e.event_id"""


_PAYLOAD_JOIN = """events as e
full join payloads as p on p.event_id = e.event_id
left join erased as x on x.event_id = e.event_id"""


def _payload_ctes(warehouse: Warehouse, where: str, columns: str) -> str:
    commitment = warehouse.sha256_hex(row_text_sql(PAYLOAD, COMMITTED))
    events = warehouse.table(EVENT.name)
    return f"""events as (
  select {columns}, 1 as here from {events} where {where} and payload_commitment is not null
), payloads as materialized (
  select event_id, segment, part, seq, batch_month, {commitment} as commitment, 1 as here
  from {warehouse.table(PAYLOAD.name)} where {where}
), erased as (
  select distinct source as event_id from {events} where event_type = 'erasure'
)"""


def _payload_damaged() -> str:
    same = " and ".join(f"p.{column} = e.{column}" for column in ("segment", "part", "seq", "batch_month"))
    erased = "(p.here is null and x.event_id is not null)"
    return f"(p.commitment = e.payload_commitment and {same}) is not true and not {erased}"


def blocks_sql(warehouse: Warehouse) -> str:
    """All blocks by their number."""
    columns = ", ".join(BLOCK.columns)
    return f"select {columns} from {warehouse.table(BLOCK.name)} order by block_no, segment, table_name"


def in_segments(warehouse: Warehouse, segments: Iterable[str], column: str = "segment") -> str:
    """A condition that holds for rows of the segments."""
    literals = [warehouse.literal(segment) for segment in sorted(segments)]
    return f"{column} in ({', '.join(literals)})" if literals else "1 = 0"


def unsealed_segments_sql(warehouse: Warehouse) -> str:
    """segment, opened_at, ended of registered segments without blocks, the oldest first."""
    return f"""
select segment, opened_at, invocation_id is not null and invocation_id in (
    select invocation_id from {warehouse.table(EVENT.name)}
    where event_type = 'batch_end' and invocation_id is not null
  ) as ended
from {warehouse.table(SEGMENT.name)}
where segment not in (select segment from {warehouse.table(BLOCK.name)} where segment is not null)
order by opened_at, segment"""


def open_invocations_sql(warehouse: Warehouse) -> str:
    """The columns of OpenInvocation: invocations with a batch_start and no batch_end, the oldest first."""
    events, segments = warehouse.table(EVENT.name), warehouse.table(SEGMENT.name)
    changes = ", ".join(
        f"(select count(*) from {events} as w where w.invocation_id = o.invocation_id"
        f" and w.event_type = 'record_write' and w.change_type = '{kind}') as {kind}s"
        for kind in ("insert", "update", "delete")
    )
    return f"""
select o.*, {changes} from (
  select e.invocation_id, e.batch_id, e.batch_month, min(s.opened_at) as opened_at
  from {events} as e join {segments} as s on s.segment = e.segment
  where e.event_type = 'batch_start' and e.invocation_id is not null and e.invocation_id not in (
    select invocation_id from {events} where event_type = 'batch_end' and invocation_id is not null
  )
  group by e.invocation_id, e.batch_id, e.batch_month
) as o
order by o.opened_at, o.invocation_id"""
