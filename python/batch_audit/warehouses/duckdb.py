"""DuckDB: bulk rows as Arrow tables, one process at a time, one connection per stream."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from batch_audit.errors import ConfigurationError, WarehouseError
from batch_audit.warehouses.base import (
    Column,
    Fingerprint,
    Place,
    Value,
    Values,
    columns_by_relation,
    in_columns,
    quote_identifier,
    without_surrogates,
)
from batch_audit.warehouses.duckdb_values import DuckDBValues

# Optimizers that lose rows of traces, or fail on them: see batch_audit/lineage/records/faults.py.
LOSING_ROWS = ("common_subplan", "projection_pullup")


class DuckDBWarehouse:
    """A warehouse over the handle of dbt's DuckDB adapter."""

    engine = "duckdb"
    values: Values = DuckDBValues()

    def __init__(
        self, open_handle: Callable[[], Any], release: Callable[[], None], database: str, audit_schema: str,
        location: str,
    ):  # fmt: skip
        """`open_handle` gives a new adapter handle on each call; `release` lets go of the database file."""
        self.database = database
        self.audit_schema, self.location = audit_schema, location
        self._open_handle = open_handle
        self._release = release
        self._handle = open_handle()
        self._in_transaction = False
        self._closed = False
        self._names = itertools.count()

    def table(self, name: str) -> str:
        return ".".join(quote_identifier(part) for part in (self.database, self.audit_schema, name))

    def query(self, sql: str) -> list[dict[str, Any]]:
        with _errors(sql):
            cursor = self._cursor()
            cursor.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def find(self, table: str, columns: Sequence[str], where: str) -> list[dict[str, Any]]:
        # A scan with the condition in it would read every column of every row.
        relation = self.table(table)
        return self.query(
            f"select {', '.join(columns)} from {relation} where rowid in (select rowid from {relation} where {where})"
        )

    def of_record(self, target: str, record_id: str) -> str:
        return f"target = {self.literal(target)} and record_id = {self.literal(record_id)}"

    def of_records(self, target: str, record_ids: Sequence[str]) -> str:
        listed = ", ".join(map(self.literal, record_ids))
        return f"target = {self.literal(target)} and record_id in ({listed})"

    def whole_passes(self) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def sound_traces(self) -> Iterator[None]:
        was = str(self.query("select current_setting('disabled_optimizers') as setting")[0]["setting"])
        off = [was] if was else []
        for optimizer in LOSING_ROWS:
            with suppress(WarehouseError):  # a version without this optimizer
                self.execute(f"set disabled_optimizers = {self.literal(','.join([*off, optimizer]))}")
                off.append(optimizer)
        try:
            yield
        finally:
            with suppress(WarehouseError):  # a transaction that failed takes no statement any more
                self.execute(f"set disabled_optimizers = {self.literal(was)}")

    def at_places(self, table: str, columns: Sequence[str], places: Sequence[Place]) -> list[dict[str, Any]]:
        if not places:
            return []
        # A list for each column is looked up quickly; it also finds places that mix two of them.
        months, segments, parts = (
            ", ".join(sorted({self.literal(str(place[position])) for place in places}))
            for position in range(3)
        )
        numbers = ", ".join(str(number) for number in sorted({place[3] for place in places}))
        rows = self.find(
            table,
            ["batch_month as place_0", "segment as place_1", "part as place_2", "seq as place_3", *columns],
            f"seq in ({numbers}) and segment in ({segments}) and part in ({parts}) and batch_month in ({months})",
        )
        wanted = set(places)
        found = ((tuple(row.pop(f"place_{position}") for position in range(4)), row) for row in rows)
        return [row for place, row in found if place in wanted]

    def execute(self, sql: str) -> None:
        with _errors(sql):
            self._cursor().execute(sql)

    def stream(self, sql: str, size: int = 50_000) -> Iterator[list[tuple[Any, ...]]]:
        handle = self._handle if self._in_transaction else self._open_handle()
        try:
            cursor = handle.cursor()
            with _errors(sql):
                cursor.execute(sql)
                rows = cursor.fetchmany(size)
            while rows:
                yield rows
                with _errors(sql):
                    rows = cursor.fetchmany(size)
        finally:
            if handle is not self._handle:
                handle.close()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
        if not rows:
            return
        pyarrow = _pyarrow()
        name = f"batch_audit_rows_{next(self._names)}"
        names = ", ".join(quote_identifier(column) for column in columns)
        into = f"insert into {self.table(table)} ({names})"
        with _errors(into):
            arrays = [_array(pyarrow, values) for values in in_columns(rows, len(columns))]
            cursor = self._cursor()
            cursor.register(name, pyarrow.Table.from_arrays(arrays, names=list(columns)))
            try:
                cursor.execute(f"{into} select {names} from {name}")
            finally:
                cursor.unregister(name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._in_transaction:
            raise WarehouseError(
                "A transaction is already open on this connection: transactions do not nest."
            )
        self.execute("begin transaction")
        self._in_transaction = True
        try:
            yield
            self.execute("commit")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._in_transaction = False

    def snapshot(self) -> AbstractContextManager[None]:
        return self.transaction()

    def seal_lock(self) -> None:
        """Nothing to wait for: DuckDB lets one process write to a file."""

    def wait_for_writers(self, segments: Sequence[str], patience: float = 30.0) -> dict[str, str]:
        """Nobody to wait for: a killed process takes its transaction with it."""
        return {}

    def columns(self, schema: str, name: str) -> list[Column]:
        # An error would end the transaction, so a missing relation is not described.
        if self.relation_kind(schema, name) is None:
            return []
        relation = ".".join(quote_identifier(part) for part in (self.database, schema, name))
        rows = self.query(f"select column_name, column_type from (describe {relation})")
        return [Column(row["column_name"], row["column_type"]) for row in rows]

    def columns_of_schemas(self, schemas: Sequence[str]) -> dict[str, list[str]]:
        wanted = ", ".join(self.literal(name.lower()) for name in schemas) or "null"
        return columns_by_relation(
            self.query(
                "select lower(database_name || '.' || schema_name || '.' || table_name) as relation, column_name"
                f" from duckdb_columns() where lower(schema_name) in ({wanted})"
                " order by database_name, schema_name, table_name, column_index"
            )
        )

    def fingerprint_engine(self) -> str:
        return "duckdb " + str(self.query("select version() as version")[0]["version"])

    def fingerprint(self, schema: str, name: str, compared: Sequence[str]) -> Fingerprint:
        relation = ".".join(quote_identifier(part) for part in (self.database, schema, name))
        row = ", ".join(f"t.{quote_identifier(column)}" for column in compared)
        found = self.query(
            f"select count(*) as n, cast(sum(cast(hash(hash({row})) as hugeint)) as text) as total from {relation} as t"
        )[0]
        return Fingerprint(int(found["n"]), found["total"] or "0")

    def relation_kind(self, schema: str, name: str) -> str | None:
        found = self.query(
            "select table_type from information_schema.tables"
            f" where lower(table_catalog) = lower({self.literal(self.database)})"
            f" and lower(table_schema) = lower({self.literal(schema)})"
            f" and lower(table_name) = lower({self.literal(name)})"
        )
        return None if not found else "view" if found[0]["table_type"] == "VIEW" else "table"

    def keep_still(self, schema: str, name: str) -> None:
        """Nothing to do: a transaction sees one state, and one process writes."""

    def keep_unchanged(self, schema: str, name: str) -> None:
        """Nothing to do: see `keep_still`."""

    def store_exists(self) -> bool:
        found = self.query(
            "select count(*) as tables from duckdb_tables()"
            f" where database_name = {self.literal(self.database)}"
            f" and schema_name = {self.literal(self.audit_schema)}"
            " and table_name in ('audit_segment', 'audit_event', 'audit_block')"
        )
        return bool(found[0]["tables"] == 3)

    def stored_bytes(self, tables: Sequence[str]) -> dict[str, int | None]:
        """Unknown: DuckDB's `estimated_size` counts rows, and tables share blocks of the file."""
        return dict.fromkeys(tables)

    def database_bytes(self) -> int | None:
        found = self.query(
            "select total_blocks * block_size as bytes from pragma_database_size()"
            f" where database_name = {self.literal(self.database)}"
        )
        return int(found[0]["bytes"]) if found else None

    def literal(self, text: str) -> str:
        quoted = "'" + text.replace("'", "''") + "'"
        # The parser ends a statement at U+0000.
        return "(" + quoted.replace("\x00", "' || chr(0) || '") + ")" if "\x00" in quoted else quoted

    def storable(self, text: str) -> str:
        return without_surrogates(text)

    def sha256_hex(self, expression: str) -> str:
        return f"sha256({expression})"

    def ordered_concat(self, expression: str, order_by: str) -> str:
        return f"string_agg({expression}, '' order by {order_by})"

    def show_readers(self) -> None:
        return

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._handle.close()
            self._handle = None
            self._release()

    def _cursor(self) -> Any:
        if self._closed:
            raise WarehouseError("The connection to DuckDB is closed.")
        return self._handle.cursor()

    def _roll_back(self) -> None:
        import duckdb

        # An error may have ended the transaction already, and the first error is the one to report.
        try:
            self._handle.cursor().execute("rollback")
        except duckdb.Error:
            return


@contextmanager
def _errors(sql: str) -> Iterator[None]:
    """Turn the driver's errors into WarehouseError, with the start of the statement."""
    import duckdb
    from dbt_common.exceptions import DbtRuntimeError

    try:
        yield
    except (duckdb.Error, DbtRuntimeError) as error:
        raise WarehouseError(f"DuckDB refused a statement: {error}\n  statement: {sql[:300]}") from error


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigurationError(
            "Writing to DuckDB needs pyarrow, which is not installed: pip install 'dbt-batch-audit[duckdb]'."
        ) from error
    return pyarrow


def _array(pyarrow: Any, values: Sequence[Value]) -> Any:
    """An Arrow array of text or of 64-bit integers, by the first value that is not NULL."""
    first = next((value for value in values if value is not None), None)
    kind = pyarrow.int64() if isinstance(first, int) else pyarrow.large_string()
    try:
        return pyarrow.array(values, type=kind)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise WarehouseError(f"A value cannot be stored in DuckDB as {kind}: {error}") from error
