"""What the rest of the program may ask of a warehouse."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from batch_audit.errors import WarehouseError

Value = str | int | None
Place = tuple[str, str, str, int]
"""Where a row of a monthly table lies: its batch_month, segment, part and seq."""
Fold = Literal["ascii", "exact"]


@dataclass(frozen=True)
class Column:
    """A column of a relation: its name, and the engine's full name of its type."""

    name: str
    type: str


@dataclass(frozen=True)
class Fingerprint:
    """The row count of a relation, and the sum of the engine's own hashes of its rows; their order does not matter.

    A row's hash is hashed once more: engines make it of its columns' hashes by sums or exclusive ors, so that two rows
    could exchange values and leave the sum as it is.
    """

    rows: int
    total: str


class Values(Protocol):
    """SQL that turns values of an engine into canonical text and back (docs/reference/store.md)."""

    fold: Fold
    """How the engine compares names of columns: without the case of ASCII letters, or exactly."""

    def canonical_text(self, expression: str, type_name: str) -> str:
        """The canonical text of a value of the type; NULL gives NULL."""

    def from_canonical(self, text: str, type_name: str) -> str:
        """The value of the type whose canonical text a text expression holds; NULL gives NULL."""

    def not_exact(self, type_name: str) -> str | None:
        """What a value of the type loses on its way through its canonical text; None when it loses nothing."""

    def json_object(self, members: Sequence[tuple[str, str]]) -> str:
        """The text of a compact JSON object of (name, text expression) pairs: every value is text or null."""

    def microseconds(self, expression: str, type_name: str, *, local: bool) -> str | None:
        """Microseconds since 1970-01-01 UTC of a date or timestamp; None for a type that is neither.

        A value without a zone is one of UTC, or with `local` of the session's own zone.
        """

    def json_fields(self, text: str, names: Sequence[str], alias: str) -> tuple[str, list[str]]:
        """How to read members of a JSON object (a text expression): what to select, and each member's text of it.

        The first is to be selected as `alias` in a subquery, so that the object is parsed once per row.
        """


class Warehouse(Protocol):
    """One connection to the database that holds the audit store.

    Outside `transaction()` every statement commits by itself. Every method that reaches the database raises
    WarehouseError with the database's own message.
    """

    engine: str
    database: str
    audit_schema: str
    location: str
    """Where the database is, as OpenLineage names it (see `connect.location_of`)."""
    values: Values

    def table(self, name: str) -> str:
        """The quoted, qualified name of a table of the audit store."""

    def query(self, sql: str) -> list[dict[str, Any]]:
        """All rows of a query, by column name."""

    def find(self, table: str, columns: Sequence[str], where: str) -> list[dict[str, Any]]:
        """Few rows of a large table of the audit store, by a condition on narrow columns of it.

        Takes an index wherever there is one, and reads wide columns of no other rows.
        """

    def of_record(self, target: str, record_id: str) -> str:
        """A condition on audit_event for the changes of one record of a node, as this engine finds them best."""

    def of_records(self, target: str, record_ids: Sequence[str]) -> str:
        """Like `of_record`, for the changes of any of several records, of which there is at least one."""

    def whole_passes(self) -> AbstractContextManager[None]:
        """Joins inside read each relation once, whatever the engine believes of their sizes.

        After a load, and before it has counted again, Postgres believes that a large table has few rows.
        """

    def sound_traces(self) -> AbstractContextManager[None]:
        """Queries inside that carry keys (`batch_audit.lineage.records`) keep all of their rows.

        The optimizer `common_subplan` of DuckDB 2.0 loses some (docs/reference/record-lineage.md).
        """

    def at_places(self, table: str, columns: Sequence[str], places: Sequence[Place]) -> list[dict[str, Any]]:
        """The rows of a table of the audit store at some places, of which there are few; see `find`."""

    def execute(self, sql: str) -> None:
        """Run one or several statements. Wrap several in `transaction()`: DuckDB commits each by itself."""

    def stream(self, sql: str, size: int = 50_000) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a query in lists of at most `size`, in bounded memory.

        Outside a transaction it reads on a connection of its own, so other statements may run meanwhile.
        Inside one it sees the transaction's own rows; DuckDB then takes no other statement before the end.
        """

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
        """Insert rows into a table of the audit store by the engine's bulk path, all or none.

        `table` is the plain name; a row has the shape of `columns`; text must be storable (see `storable`).
        """

    def transaction(self) -> AbstractContextManager[None]:
        """Begin, then commit, or roll back if the block raises. Transactions do not nest."""

    def snapshot(self) -> AbstractContextManager[None]:
        """A transaction that only reads, and whose statements all see the database as it was when it began."""

    def seal_lock(self) -> None:
        """Wait for this store's seal, in a statement of its own; it is ours until the transaction ends."""

    def wait_for_writers(self, segments: Sequence[str], patience: float = 30.0) -> dict[str, str]:
        """Wait until no session writes to these segments, then keep others from it until the transaction ends.

        A server goes on with a statement whose client was killed. Gives the segments that are still being written
        after `patience` seconds, each with who does it. For use inside a transaction, before `seal_lock`.
        """

    def columns(self, schema: str, name: str) -> list[Column]:
        """The columns of a relation in their order; empty when there is no such relation."""

    def columns_of_schemas(self, schemas: Sequence[str]) -> dict[str, list[str]]:
        """The columns of every relation in these schemas, by its dotted name in lower case (database.schema.name)."""

    def fingerprint_engine(self) -> str:
        """The engine and its version, as a capture names them: other versions may hash the same row otherwise."""

    def fingerprint(self, schema: str, name: str, compared: Sequence[str]) -> Fingerprint:
        """The fingerprint of a relation over some of its columns, given in its order, as a capture takes it."""

    def relation_kind(self, schema: str, name: str) -> str | None:
        """`table`, `view` or what else the schema holds under this name (as DROP calls it); None for nothing."""

    def keep_still(self, schema: str, name: str) -> None:
        """Until the transaction ends, nobody exchanges or drops this relation, which must be there."""

    def keep_unchanged(self, schema: str, name: str) -> None:
        """Until the transaction ends, nobody else changes rows of this table, which must be there, or keeps it so."""

    def store_exists(self) -> bool:
        """True if the audit schema holds the store's tables."""

    def stored_bytes(self, tables: Sequence[str]) -> dict[str, int | None]:
        """The bytes on disk of tables of the audit store, with their indexes and partitions; None is unknown."""

    def database_bytes(self) -> int | None:
        """The bytes on disk of the whole database, the audit store and everything else in it; None is unknown."""

    def literal(self, text: str) -> str:
        """`text` as an SQL expression that yields exactly this text."""

    def storable(self, text: str) -> str:
        """`text` with what the engine cannot hold (lone surrogates; U+0000 on Postgres) replaced by U+FFFD.

        Apply it before hashing, so that what is hashed is what is stored.
        """

    def sha256_hex(self, expression: str) -> str:
        """SQL for the lower-case hex SHA-256 of the UTF-8 bytes of a text expression."""

    def ordered_concat(self, expression: str, order_by: str) -> str:
        """SQL aggregate that joins a text expression, without separator, in the given order."""

    def show_readers(self) -> None:
        """Let the readers of a hardened store see its views that show no values; views that are new lack that."""

    def close(self) -> None:
        """Release the connection, so that another process can open the database. Closing twice is fine."""


def quote_identifier(name: str) -> str:
    """`name` as a quoted SQL identifier (SQL:2016, delimited identifier)."""
    return '"' + name.replace('"', '""') + '"'


def columns_by_relation(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Rows of (relation, column_name), in order, as lists of columns."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["relation"], []).append(row["column_name"])
    return found


def in_columns(rows: Sequence[Sequence[Value]], width: int) -> list[tuple[Value, ...]]:
    """Rows turned into columns. Raises WarehouseError for a row that has not `width` values."""
    wrong = next((len(row) for row in rows if len(row) != width), None)
    if wrong is not None:
        raise WarehouseError(f"A row has {wrong} values where {width} columns are to be written.")
    return list(zip(*rows, strict=True))


def without_surrogates(text: str) -> str:
    """`text` with lone surrogates, which have no UTF-8 encoding, replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
