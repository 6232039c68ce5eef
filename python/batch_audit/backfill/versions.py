"""SQL that turns the versions in a snapshot's table into changes. Nothing is read here.

A version is valid from its `dbt_valid_from` until its `dbt_valid_to`. A record's first version is an insert, the
next one an update where it begins when the one before ends, else an insert; a version that ends without a successor
is a delete. A row that dbt wrote to mark a deletion (`hard_deletes: new_record`) is no version: it only ends the one
before.
"""

from __future__ import annotations

from dataclasses import dataclass

from batch_audit.backfill.snapshots import AUDIT_COLUMNS, Snapshot
from batch_audit.errors import ConfigurationError
from batch_audit.history.moments import folded
from batch_audit.history.replay import record_id_sql
from batch_audit.warehouses.base import Column, Warehouse, quote_identifier

VERSIONS = "batch_audit_versions"
"""A temporary table of the versions by record, each beside the one before: see `versions_sql`."""


@dataclass(frozen=True)
class Versions:
    """A snapshot's table: its columns in their order, and how the engine writes things."""

    warehouse: Warehouse
    snapshot: Snapshot
    columns: tuple[Column, ...]

    @property
    def ordered(self) -> list[Column]:
        """The columns by name (code points), the order of a record's text; number i is `c_i` in SQL."""
        return sorted(self.columns, key=lambda column: column.name)

    @property
    def key(self) -> list[str]:
        """The key as the table spells it. Raises ConfigurationError for columns that it does not have."""
        return [
            self._column(name, f"its key, from {self.snapshot.key_rule}").name for name in self.snapshot.key
        ]

    @property
    def ignored(self) -> list[str]:
        """Columns whose changes do not count: dbt's own, those of `audit_columns`, and what audit_ignore names."""
        names = (*self.snapshot.ignored, *AUDIT_COLUMNS, *self.snapshot.own.values())
        left_out = {self._folded(name) for name in names} - {self._folded(name) for name in self.snapshot.key}
        return [column.name for column in self.ordered if self._folded(column.name) in left_out]

    @property
    def compared(self) -> list[tuple[int, Column]]:
        """The columns that count, with their numbers."""
        return [(i, column) for i, column in enumerate(self.ordered) if column.name not in self.ignored]

    def own(self, name: str) -> Column:
        """One of dbt's columns by its usual name. Raises ConfigurationError if the table lacks it."""
        return self._column(self.snapshot.own[name], "a column of dbt's own")

    def number(self, column: Column) -> int:
        """The number of a column, as in `c_<number>`."""
        return self.ordered.index(column)

    def time(self, name: str, expression: str) -> str:
        """Microseconds UTC of a value of one of dbt's times. Raises ConfigurationError for a column that is no time."""
        column = self.own(name)
        found = self.warehouse.values.microseconds(expression, column.type, local=self.snapshot.local)
        if found is None:
            raise ConfigurationError(
                f"{self.snapshot.name}: its column {column.name} has the type {column.type}, and no time can be read"
                " from that.\n  Nothing was written. A snapshot whose updated_at is a date or a timestamp can be"
                " backfilled."
            )
        return found

    def _column(self, name: str, what: str) -> Column:
        found = [column for column in self.columns if self._folded(column.name) == self._folded(name)]
        if not found:
            names = ", ".join(column.name for column in self.columns)
            raise ConfigurationError(
                f"{self.snapshot.name}: {self.snapshot.relation} has no column {name} ({what}). It has: {names}.\n"
                "  Nothing was written. Correct the snapshot's configuration, or build it anew."
            )
        return found[0]

    def _folded(self, name: str) -> str:
        return folded(self.warehouse.values.fold, name)


def versions_sql(table: Versions) -> str:
    """Makes VERSIONS.

    Its columns: record_id; n (from 1, in the order of their times); version and previous (the times from which this one
    and the one before are valid, as text); from_us and to_us (microseconds, NULL while it is valid); deleted; continues
    (it begins when the one before ends); ends (nothing follows at its end); wrong; c_i (its values, as they were
    while it was valid) and b_i (those of the one before).
    """
    snapshot = table.snapshot
    start, end = (
        f"t.{quote_identifier(table.own(name).name)}" for name in ("dbt_valid_from", "dbt_valid_to")
    )
    still_valid = f"{end} is null" + (f" or {end} = {snapshot.forever}" if snapshot.forever else "")
    numbers = range(len(table.columns))
    texts = ", ".join(f"{_text(table, column)} as c_{i}" for i, column in enumerate(table.ordered))
    version = f"c_{table.number(table.own('dbt_valid_from'))}"
    return f"""
create temporary table {VERSIONS} as
with read as (
  select {record_id_sql(table.warehouse.values, table.key, table.columns, "t")} as record_id, {start} as started,
    case when not ({still_valid}) then {end} end as ended, {_deleted(table)} as deleted, {texts}
  from {snapshot.relation} as t
), placed as (
  select read.*, row_number() over w as n, lag({version}) over w as previous, lag(ended) over w as previous_ended,
    lag(deleted) over w as previous_deleted, lead(started) over w as next_started, lead(deleted) over w as next_deleted,
    lead(1) over w is not null as has_next, {", ".join(f"lag(c_{i}) over w as b_{i}" for i in numbers)}
  from read window w as (partition by record_id order by started, ended nulls last)
)
select record_id, n, {version} as version, previous, deleted,
  case when isfinite(started) then {table.time("dbt_valid_from", "started")} end as from_us,
  case when isfinite(ended) then {table.time("dbt_valid_to", "ended")} end as to_us,
  coalesce(previous_ended = started and not previous_deleted, false) as continues,
  ended is not null and (not has_next or next_started > ended or next_deleted) as ends,
  case when record_id is null then 'null_key'
    when started is null or not isfinite(started) or not isfinite(coalesce(ended, started)) then 'no_time'
    when ended < started then 'reversed'
    when has_next and (ended is null or next_started < ended) then 'overlapping' end as wrong,
  {", ".join(f"c_{i}, b_{i}" for i in numbers)}
from placed"""


def _deleted(table: Versions) -> str:
    """Whether a row marks a deletion: by the column, which stays when `hard_deletes` is set to something else."""
    wanted = table._folded(table.snapshot.own["dbt_is_deleted"])
    found = [column for column in table.columns if table._folded(column.name) == wanted]
    return f"coalesce(t.{quote_identifier(found[0].name)} = 'True', false)" if found else "false"


def _text(table: Versions, column: Column) -> str:
    """A column's text as it was while the version was valid: a version ends by a later change of `dbt_valid_to`."""
    if column == table.own("dbt_valid_to"):
        if table.snapshot.forever is None:
            return "cast(null as text)"
        return table.warehouse.values.canonical_text(
            f"cast({table.snapshot.forever} as {column.type})", column.type
        )
    return table.warehouse.values.canonical_text(f"t.{quote_identifier(column.name)}", column.type)
