"""The queries of a trace, as text. Nothing is read here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from batch_audit.history.record_hash import record_hash_sql
from batch_audit.history.replay import record_id_sql
from batch_audit.ledger.text import NULL_FIELD
from batch_audit.lineage.records import ProvenanceQuery
from batch_audit.reports.text import record_key
from batch_audit.warehouses.base import Column, Values, Warehouse, quote_identifier

SNAPSHOT_COLUMNS = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_is_deleted")
"""Columns that dbt adds to a snapshot; they tell of its versions and not of the record."""
MOST_LISTED = 1000
"""Keys that are written into a query as values to look up; more are joined."""
_PARAMETER = re.compile(r" = (?:\$|%\()batch_audit_key_(\d+)(?:\)s)?(?!\w)")
_FLOATS = re.compile("float|double|real", re.IGNORECASE)


@dataclass(frozen=True)
class Identity:
    """What tells the records of a relation apart: its key, or all of its columns where none is known.

    `ignored` are the columns whose changes do not count.
    """

    node: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    ignored: tuple[str, ...] = ()

    @property
    def told_apart_by(self) -> tuple[str, ...]:
        return self.key or tuple(column.name for column in self.columns)

    def id_sql(self, values: Values, alias: str) -> str:
        """The record id of a row."""
        if self.key:
            return record_id_sql(values, self.key, self.columns, alias)
        fields = (record_id_sql(values, [column.name], self.columns, alias) for column in self.columns)
        return " || '|' || ".join(f"coalesce({field}, '{NULL_FIELD}')" for field in fields)

    def hash_sql(self, warehouse: Warehouse, alias: str) -> str:
        """The record hash of a row."""
        return record_hash_sql(warehouse, self.node, self.columns, self.ignored, alias)

    def check_sql(self, warehouse: Warehouse, alias: str) -> str:
        """A hash of a row without what may come out otherwise when it is computed twice: sums of floats."""
        steady = [column for column in self.columns if not _FLOATS.search(column.type)]
        return record_hash_sql(warehouse, self.node, steady, self.ignored, alias)

    def listed(self, warehouse: Warehouse, ids: Sequence[str]) -> dict[str, str]:
        """Each key column to the list of its values in these record ids, as SQL; nothing where they are too many.

        Together they fit more records than those: they are for finding rows fast.
        """
        if not self.key or len(ids) > MOST_LISTED:
            return {}
        types = {column.name: column.type for column in self.columns}
        rows = [record_key(one) for one in ids]
        found = {}
        for place, name in enumerate(self.key):
            texts = dict.fromkeys(row[place] for row in rows if len(row) == len(self.key))
            typed = [
                f"cast({warehouse.values.from_canonical(warehouse.literal(text), types[name])} as {types[name]})"
                for text in texts
                if text is not None
            ]
            if typed:
                found[name] = ", ".join(typed)
        return found


def current_sql(alias: str, columns: Sequence[Column]) -> str:
    """Whether a row of a snapshot's relation is the current version of a record that is there."""
    # dbt_valid_to_current may say so by a date far away.
    ends = f"{alias}.dbt_valid_to"
    current = f"({ends} is null or cast({ends} as timestamp) > cast(current_timestamp as timestamp))"
    if any(one.name == "dbt_is_deleted" for one in columns):
        current += f" and {alias}.dbt_is_deleted = 'False'"
    return current


def wanted_sql(ids: Sequence[str], literal: Callable[[str], str]) -> str:
    """A common table expression `wanted(record_id)` of some record ids, of which there is at least one."""
    return "wanted(record_id) as (values " + ", ".join(f"({literal(one)})" for one in ids) + ")"


def records_sql(
    warehouse: Warehouse, identity: Identity, relation: str, ids: Sequence[str], fast: bool
) -> str:
    """Rows of (record_id, record_hash, check_hash, number) for the records of a relation with these ids."""
    found = identity.id_sql(warehouse.values, "t")
    where = [
        f"t.{quote_identifier(name)} in ({values})"
        for name, values in identity.listed(warehouse, ids).items()
    ]
    only = f" where {' and '.join(where)}" if where and fast else ""
    return (
        f"with {wanted_sql(ids, warehouse.literal)}, there as (select t.*, {found} as batch_audit_id"
        f" from {relation} as t"
        f"{only}) select t.batch_audit_id as record_id, {identity.hash_sql(warehouse, 't')} as record_hash,"
        f" {identity.check_sql(warehouse, 't')} as check_hash from there as t"
        " join wanted on wanted.record_id = t.batch_audit_id order by 1, 2"
    )


def parameters(key: Sequence[str]) -> dict[str, str]:
    """The `where` of a plan that `looked_up` fills in."""
    return {name: f":batch_audit_key_{place}" for place, name in enumerate(key)}


def looked_up(edges_sql: str, key: Sequence[str], listed: Mapping[str, str]) -> str:
    """The edges of several records: each parameter is replaced by the list of the values that are looked for."""
    return _PARAMETER.sub(lambda found: f" in ({listed[key[int(found[1])]]})", edges_sql)


@dataclass(frozen=True)
class EdgeQuery:
    """Which edges to read: of records of the target (upstream), or of a source (downstream) by its occurrences."""

    edges_sql: str
    outputs: tuple[str, ...]
    target: Identity
    ids: tuple[str, ...]
    occurrences: tuple[str, ...]
    upstream: bool
    limit: int

    def sql(self, warehouse: Warehouse) -> str:
        """Rows of (target, occurrence, source, role, total, check_hash), at most `limit` for each record asked for.

        `total` counts all edges of the record with this occurrence and role. `target` is NULL for a source that decided
        about every record, `check_hash` where the columns that count are not among the outputs.
        """
        names = [column.name for column in self.target.columns if column.name in self.outputs]
        types = {column.name: column.type for column in self.target.columns}
        typed = "".join(
            f"cast(e.{quote_identifier(n)} as {types[n]}) as {quote_identifier(n)}, " for n in names
        )
        own = self.target.id_sql(warehouse.values, "k")
        whole = len(names) == len(self.target.columns)
        check = self.target.check_sql(warehouse, "n") if whole else "cast(null as text)"
        asked = "__target" if self.upstream else "__source_key"
        asked_for = (
            "(w.record_id is not null or f.__role = 'filter_all')"
            if self.upstream
            else "w.record_id is not null"
        )
        listed = ", ".join(map(warehouse.literal, self.occurrences)) or "null"
        early = f" where e.__occurrence in ({listed})"
        if (
            not self.upstream and len(self.ids) <= MOST_LISTED
        ):  # a join would not be pushed down to the source's rows
            early += f" and e.__source_key in ({', '.join(map(warehouse.literal, self.ids))})"
        group = f"partition by {asked}, __occurrence, __role"
        order = "__source_key" if self.upstream else "__target"
        return (
            f"with {wanted_sql(self.ids, warehouse.literal)}, edges as ({self.edges_sql}), kept as (select {typed}"
            f"e.__occurrence, e.__source_key, e.__role from edges as e{early}), named as (select k.*, case when"
            f" k.__role <> 'filter_all' then {own} end as __target from kept as k), found as (select f.* from"
            f" named as f left join wanted as w on w.record_id = f.{asked} where {asked_for}), numbered as (select f.*,"
            f" row_number() over ({group} order by {order}) as __place, count(*) over ({group}) as __total from"
            " found as f) select n.__target as target, n.__occurrence as occurrence, n.__source_key as source,"
            f" n.__role as role, n.__total as total, case when n.__role <> 'filter_all' then {check} end as check_hash"
            f" from numbered as n where n.__place <= {self.limit} order by 1, 2, 4, 3"
        )


def made_sql(
    warehouse: Warehouse, query: ProvenanceQuery, outputs: Sequence[str], target: Identity, ids: Sequence[str]
) -> str:  # fmt: skip
    """Rows of (record_id, check_hash) for the records of these ids that the untouched query gives."""
    slots = {
        source.slot: f"{quote_identifier(source.slot)} as (select * from {source.relation})"
        for source in query.sources.values()
    }
    types = {column.name: column.type for column in target.columns}
    names = [name for name in types if name in outputs]
    typed = ", ".join(f"cast(q.{quote_identifier(n)} as {types[n]}) as {quote_identifier(n)}" for n in names)
    check = target.check_sql(warehouse, "k") if len(names) == len(types) else "cast(null as text)"
    parts = [
        wanted_sql(ids, warehouse.literal),
        *slots.values(),
        f"made as (\n{query.replay_sql}\n)",
        f"kept as (select {typed} from made as q)",
    ]
    return (
        f"with {', '.join(parts)} select w.record_id, {check} as check_hash from kept as k join wanted as w"
        f" on w.record_id = {target.id_sql(warehouse.values, 'k')} order by 1, 2"
    )


def near_sql(warehouse: Warehouse, identity: Identity, relation: str, record_id: str, limit: int) -> str:
    """Rows of (total, record_id): how many records there are, and some whose ids begin like this one."""
    wanted = f"lower({warehouse.literal(record_id)})"
    return (
        f"with ids as (select {identity.id_sql(warehouse.values, 't')} as record_id from {relation} as t), near as"
        " (select"
        f" record_id from ids where left(lower(record_id), {len(record_id)}) = {wanted} or left({wanted},"
        f" length(record_id)) = lower(record_id) order by length(record_id), record_id limit {limit}), counted as"
        " (select"
        " count(*) as total from ids) select counted.total, near.record_id from counted left join near on true"
    )
