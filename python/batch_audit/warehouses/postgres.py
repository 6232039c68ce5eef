"""PostgreSQL: bulk rows by COPY, bounded reads by server-side cursors."""

import hashlib
import io
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from batch_audit.errors import WarehouseError
from batch_audit.warehouses.base import (
    Column,
    Fingerprint,
    Place,
    Value,
    Values,
    columns_by_relation,
    quote_identifier,
    without_surrogates,
)
from batch_audit.warehouses.postgres_session import errors, prepared
from batch_audit.warehouses.postgres_values import PostgresValues, hashed_as_it_is

# COPY's text format (PostgreSQL manual, COPY, File Formats).
_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_COPY_ROWS = 5_000


class PostgresWarehouse:
    """A warehouse over the psycopg2 connection of dbt's Postgres adapter."""

    engine = "postgres"
    values: Values = PostgresValues()

    def __init__(
        self, open_handle: Callable[[], Any], release: Callable[[], None], database: str, audit_schema: str,
        location: str,
    ):  # fmt: skip
        """`open_handle` gives a new connection on each call; `release` lets go of the adapter's own."""
        self.database = database
        self.audit_schema, self.location = audit_schema, location
        self._open_handle = open_handle
        self._release = release
        self._handle = prepared(open_handle())
        self._in_transaction = False
        self._closed = False
        self._cursor_names = itertools.count()

    def table(self, name: str) -> str:
        return ".".join(quote_identifier(part) for part in (self.audit_schema, name))

    def query(self, sql: str) -> list[dict[str, Any]]:
        with errors(sql), self._handle.cursor() as cursor:
            cursor.execute(sql)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    def find(self, table: str, columns: Sequence[str], where: str) -> list[dict[str, Any]]:
        return self._by_index(f"select {', '.join(columns)} from {self.table(table)} where {where}")

    def _by_index(self, sql: str) -> list[dict[str, Any]]:
        # The planner takes a BRIN bloom index for one by order and expects most of the table from it.
        with self._without("enable_seqscan"):
            return self.query(sql)

    def whole_passes(self) -> AbstractContextManager[None]:
        return self._without("enable_nestloop")

    def sound_traces(self) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def _without(self, setting: str) -> Iterator[None]:
        was = self.query(f"select current_setting('{setting}') as setting")[0]["setting"]
        restore = f"set {setting} = {self.literal(was)}"
        self.execute(f"set {setting} = off")
        try:
            yield
        except BaseException:
            # A transaction that failed takes no statement any more; its rollback restores the setting.
            with suppress(WarehouseError):
                self.execute(restore)
            raise
        self.execute(restore)

    def of_record(self, target: str, record_id: str) -> str:
        # The expression of the index; the rest tells nodes apart whose names end in a bar.
        both = self.literal(f"{target}|{record_id}")
        exact = f"target = {self.literal(target)} and record_id = {self.literal(record_id)}"
        return f"target || '|' || record_id = {both} and {exact}"

    def of_records(self, target: str, record_ids: Sequence[str]) -> str:
        both = ", ".join(self.literal(f"{target}|{record_id}") for record_id in record_ids)
        listed = ", ".join(map(self.literal, record_ids))
        exact = f"target = {self.literal(target)} and record_id in ({listed})"
        return f"target || '|' || record_id in ({both}) and {exact}"

    def at_places(self, table: str, columns: Sequence[str], places: Sequence[Place]) -> list[dict[str, Any]]:
        if not places:
            return []
        wanted = ", ".join(
            f"({self.literal(month)}, {self.literal(segment)}, {self.literal(part)}, cast({int(seq)} as bigint))"
            for month, segment, part, seq in places
        )
        # One look into the index for each place (`offset 0` keeps it so); each row would be held against a list.
        return self._by_index(
            f"select p.* from (values {wanted}) as k(month, segment, part, seq) cross join lateral"
            f" (select {', '.join(columns)} from {self.table(table)} as t where t.batch_month = k.month"
            " and t.segment = k.segment and t.part = k.part and t.seq = k.seq offset 0) as p"
        )

    def execute(self, sql: str) -> None:
        with errors(sql), self._handle.cursor() as cursor:
            cursor.execute(sql)

    def stream(self, sql: str, size: int = 50_000) -> Iterator[list[tuple[Any, ...]]]:
        with errors(sql):
            handle = self._handle if self._in_transaction else prepared(self._open_handle())
        try:
            # A server-side cursor lives in a transaction.
            if handle is not self._handle:
                handle.autocommit = False
            with errors(sql):
                cursor = handle.cursor(name=f"batch_audit_{next(self._cursor_names)}")
                cursor.execute(sql)
                rows = cursor.fetchmany(size)
            while rows:
                yield rows
                with errors(sql):
                    rows = cursor.fetchmany(size)
            cursor.close()
        finally:
            if handle is not self._handle:
                handle.close()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
        if not rows:
            return
        names = ", ".join(quote_identifier(column) for column in columns)
        copy = f"copy {self.table(table)} ({names}) from stdin with (format text, encoding 'UTF8')"
        with errors(copy), self._handle.cursor() as cursor:
            cursor.copy_expert(copy, _CopySource(rows, len(columns)), size=1 << 16)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._in_transaction:
            raise WarehouseError(
                "A transaction is already open on this connection: transactions do not nest."
            )
        self._in_transaction = True
        self._handle.autocommit = False
        try:
            yield
            with errors("commit"):
                self._handle.commit()
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._in_transaction = False
            if not self._handle.closed:
                self._handle.autocommit = True

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self.transaction():
            # Such reads sort and hash whole tables: the default of 4 MB would mean files on disk, and the planner,
            # to which a SHA-256 costs as little as a sum, would leave parallel workers idle.
            self.execute(
                "set transaction isolation level repeatable read, read only;"
                " set local work_mem = '64MB'; set local parallel_tuple_cost = 0.01"
            )
            yield

    def seal_lock(self) -> None:
        self.execute(f"select pg_advisory_xact_lock({_lock_key(self.audit_schema)})")

    def wait_for_writers(self, segments: Sequence[str], patience: float = 30.0) -> dict[str, str]:
        keys = {_lock_key(f"segment:{segment}"): segment for segment in segments}
        deadline = time.monotonic() + patience
        while keys:
            tried = self.query(
                "select key, pg_try_advisory_xact_lock(key) as ours"
                f" from unnest(cast(array[{', '.join(map(str, keys))}] as bigint[])) as key"
            )
            keys = {row["key"]: keys[row["key"]] for row in tried if not row["ours"]}
            if time.monotonic() >= deadline:
                break
            time.sleep(0.1 if keys else 0)
        return {segment: self._holders(key) for key, segment in keys.items()}

    def _holders(self, key: int) -> str:
        # An advisory key of 64 bits is shown as two unsigned halves (PostgreSQL manual, pg_locks).
        halves = f"classid = {key >> 32 & 0xFFFFFFFF} and objid = {key & 0xFFFFFFFF} and objsubid = 1"
        held = self.query(
            "select l.pid, a.usename, a.application_name from pg_catalog.pg_locks as l"
            " left join pg_catalog.pg_stat_activity as a on a.pid = l.pid"
            f" where l.locktype = 'advisory' and l.granted and {halves}"
            " and l.database = (select oid from pg_catalog.pg_database where datname = current_database())"
            " order by l.pid"
        )
        sessions = ", ".join(
            f"{row['pid']} (user {row['usename']}, {row['application_name']})" for row in held
        )
        return f"Postgres session {sessions}" if sessions else "a Postgres session that has just ended"

    def columns(self, schema: str, name: str) -> list[Column]:
        rows = self.query(
            "select a.attname, format_type(a.atttypid, a.atttypmod) as type from pg_catalog.pg_attribute as a"
            " join pg_catalog.pg_class as c on c.oid = a.attrelid"
            " join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            f" where n.nspname = {self.literal(schema)} and c.relname = {self.literal(name)}"
            " and a.attnum > 0 and not a.attisdropped order by a.attnum"
        )
        return [Column(row["attname"], row["type"]) for row in rows]

    def columns_of_schemas(self, schemas: Sequence[str]) -> dict[str, list[str]]:
        wanted = ", ".join(self.literal(name.lower()) for name in schemas) or "null"
        return columns_by_relation(
            self.query(
                "select lower(current_database() || '.' || n.nspname || '.' || c.relname) as relation,"
                " a.attname as column_name from pg_catalog.pg_attribute as a"
                " join pg_catalog.pg_class as c on c.oid = a.attrelid"
                " join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
                f" where lower(n.nspname) in ({wanted}) and c.relkind in ('r', 'p', 'v', 'm', 'f')"
                " and a.attnum > 0 and not a.attisdropped order by n.nspname, c.relname, a.attnum"
            )
        )

    def fingerprint_engine(self) -> str:
        found = self.query("select current_setting('server_version') as version")
        return f"postgres {found[0]['version']}"

    def fingerprint(self, schema: str, name: str, compared: Sequence[str]) -> Fingerprint:
        loose = self._loosely_collated(schema, name)
        hashed = [
            f"t.{quote_identifier(column.name)}"
            if hashed_as_it_is(column.type) and column.name not in loose
            else self.values.canonical_text(f"t.{quote_identifier(column.name)}", column.type)
            for column in self.columns(schema, name)
            if column.name in compared
        ]
        relation = ".".join(quote_identifier(part) for part in (schema, name))
        row = f"hash_numeric_extended(hash_record_extended(row({', '.join(hashed)}), 0)::numeric, 0)"
        found = self.query(f"select count(*) as n, sum({row}::numeric)::text as total from {relation} as t")[
            0
        ]
        return Fingerprint(int(found["n"]), found["total"] or "0")

    def _loosely_collated(self, schema: str, name: str) -> set[str]:
        """Columns whose collation calls texts equal that read differently."""
        rows = self.query(
            "select a.attname from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid"
            " join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            " join pg_catalog.pg_collation as k on k.oid = a.attcollation and not k.collisdeterministic"
            f" where n.nspname = {self.literal(schema)} and c.relname = {self.literal(name)} and a.attnum > 0"
        )
        return {str(row["attname"]) for row in rows}

    def relation_kind(self, schema: str, name: str) -> str | None:
        found = self.query(
            "select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'"
            " when 'f' then 'foreign table' when 'i' then 'index' when 'c' then 'type' else 'table' end as kind"
            " from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            f" where n.nspname = {self.literal(schema)} and c.relname = {self.literal(name)}"
        )
        return str(found[0]["kind"]) if found else None

    def keep_still(self, schema: str, name: str) -> None:
        relation = ".".join(quote_identifier(part) for part in (schema, name))
        self.execute(f"lock table {relation} in access share mode")

    def keep_unchanged(self, schema: str, name: str) -> None:
        relation = ".".join(quote_identifier(part) for part in (schema, name))
        # The mode that a capture takes, too: it waits for the other, whoever comes first.
        self.execute(f"lock table {relation} in share row exclusive mode")

    def store_exists(self) -> bool:
        found = self.query(
            "select count(*) as tables from pg_catalog.pg_class as c"
            " join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            f" where n.nspname = {self.literal(self.audit_schema)} and c.relkind in ('r', 'p')"
            " and c.relname in ('audit_segment', 'audit_event', 'audit_block')"
        )
        return bool(found[0]["tables"] == 3)

    def stored_bytes(self, tables: Sequence[str]) -> dict[str, int | None]:
        found = self.query(
            "select c.relname, pg_total_relation_size(c.oid) + coalesce((select cast(sum(pg_total_relation_size(relid))"
            " as bigint) from pg_partition_tree(c.oid) where level > 0), 0) as bytes"
            " from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            f" where n.nspname = {self.literal(self.audit_schema)} and c.relkind in ('r', 'p')"
        )
        sizes = {row["relname"]: row["bytes"] for row in found}
        return {table: sizes.get(table) for table in tables}

    def database_bytes(self) -> int | None:
        return int(self.query("select pg_database_size(current_database()) as bytes")[0]["bytes"])

    def literal(self, text: str) -> str:
        from psycopg2.extensions import QuotedString

        _refuse_nul(text)
        quoted = QuotedString(text)
        quoted.prepare(self._handle)
        literal: str = quoted.getquoted().decode("utf-8")
        return literal

    def storable(self, text: str) -> str:
        return without_surrogates(text).replace("\x00", "�")

    def sha256_hex(self, expression: str) -> str:
        return f"encode(sha256(convert_to({expression}, 'UTF8')), 'hex')"

    def ordered_concat(self, expression: str, order_by: str) -> str:
        return f"string_agg({expression}, '' order by {order_by})"

    def show_readers(self) -> None:
        from batch_audit.warehouses.postgres_catalog import reader_roles, views_without_values
        from batch_audit.warehouses.postgres_roles import reader_grants

        for reader in reader_roles(self):
            for statement in reader_grants(self.audit_schema, views_without_values(self), reader):
                self.execute(statement)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._handle.close()
            self._release()

    def _roll_back(self) -> None:
        import psycopg2

        # A lost connection has rolled back by itself, and the first error is the one to report.
        with suppress(psycopg2.Error):
            self._handle.rollback()


def _lock_key(name: str) -> int:
    """The advisory key of a name, as the macro lock_sql computes it."""
    digest = hashlib.sha256(f"batch_audit:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class _CopySource:
    """Rows as a file in COPY's text format, encoded a few thousand at a time."""

    def __init__(self, rows: Sequence[Sequence[Value]], width: int):
        self._rows = rows
        self._width = width
        self._next = 0
        self._chunk = io.BytesIO()

    def read(self, size: int) -> bytes:
        data = self._chunk.read(size)
        while not data and self._next < len(self._rows):
            rows = self._rows[self._next : self._next + _COPY_ROWS]
            self._next += len(rows)
            self._chunk = io.BytesIO("".join(map(self._line, rows)).encode("utf-8"))
            data = self._chunk.read(size)
        return data

    def _line(self, row: Sequence[Value]) -> str:
        if len(row) != self._width:
            raise WarehouseError(
                f"A row has {len(row)} values where {self._width} columns are to be written."
            )
        return "\t".join(map(_copy_field, row)) + "\n"


def _copy_field(value: Value) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, int):
        return str(value)
    _refuse_nul(value)
    return value.translate(_COPY_ESCAPES)


def _refuse_nul(text: str) -> None:
    if "\x00" in text:
        raise WarehouseError(
            "Postgres cannot store the character U+0000: pass the text through storable() before hashing it."
        )
