"""The store's tables: their columns, declared once, in the order that their row texts follow."""

from __future__ import annotations

from dataclasses import dataclass

BIGINTS = frozenset({"seq", "occurred_at", "opened_at", "block_no", "leaf_count", "sealed_at"})
"""Columns of type BIGINT; every other column is TEXT. Times are microseconds since 1970-01-01 UTC."""


@dataclass(frozen=True)
class Table:
    """A table of the store: its name and its columns in declared order."""

    name: str
    columns: tuple[str, ...]

    @property
    def hashed(self) -> tuple[str, ...]:
        """The columns of the row text: all but `event_id`, which is the hash of the others."""
        return tuple(column for column in self.columns if not (self is EVENT and column == "event_id"))

    def type_of(self, column: str) -> str:
        """`bigint` or `text`."""
        return "bigint" if column in BIGINTS else "text"


def _table(name: str, columns: str) -> Table:
    return Table(name, tuple(columns.split()))


SEGMENT = _table("audit_segment", "segment part seq batch_id batch_month invocation_id writer opened_at")
EVENT = _table(
    "audit_event",
    "segment part seq event_id batch_id batch_month event_type occurred_at invocation_id actor source target record_id"
    " change_type changed_fields payload_commitment metadata error_message error_stack",
)
PAYLOAD = _table(
    "audit_payload",
    "segment part seq event_id batch_month subject_id salt old_hash record_hash old_value new_value",
)
RECORD_EDGE = _table(
    "audit_record_edge",
    "segment part seq batch_id batch_month target target_record_id target_hash source source_record_id source_hash"
    " step role label reason",
)
COLUMN_EDGE = _table(
    "audit_column_edge",
    "segment part seq batch_id batch_month target target_column source source_column kind subtype masking"
    " expression reason",
)
BLOCK = _table(
    "audit_block",
    "block_no segment table_name format_version leaf_count merkle_root previous_hash block_hash sealed_at",
)

TABLES = (SEGMENT, EVENT, PAYLOAD, RECORD_EDGE, COLUMN_EDGE, BLOCK)
SEALED = (SEGMENT, EVENT, RECORD_EDGE, COLUMN_EDGE)
"""Tables whose rows a segment's blocks cover, in the order of those blocks."""

COMMITTED = ("salt", "old_hash", "record_hash", "old_value", "new_value")
"""The columns of `audit_payload` that an event's `payload_commitment` covers."""
