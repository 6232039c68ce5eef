"""An audit store made by Python alone: what verifying and sealing are tried on, without dbt or the macros."""

from dataclasses import dataclass, field
from typing import Any

from batch_audit.ledger.block import Block, Tree, next_block
from batch_audit.ledger.merkle import merkle_root
from batch_audit.ledger.rows import Row, Segment, event_row, row_hash
from batch_audit.ledger.tables import (
    BLOCK,
    COLUMN_EDGE,
    COMMITTED,
    EVENT,
    PAYLOAD,
    RECORD_EDGE,
    SEALED,
    SEGMENT,
    TABLES,
    Table,
)
from batch_audit.ledger.text import payload_commitment, sha256_hex
from batch_audit.warehouses import Warehouse
from tests.support.target import Target

START_US = 1_767_225_600_000_000  # 2026-01-01
ORDERS, CUSTOMERS = "model.shop.orders", "model.shop.customers"
NASTY = (
    "",
    "~",
    "|",
    "~N",
    "~|~0|~1",
    "it's",
    'a "quote"',
    "naïve 🙂",
    "line\nbreak",
    "{{ x }} %s",
    "-- ; /*",
)


@dataclass
class SyntheticStore:
    """Rows by table name, in declared column order. Written by whole segments, each sealed or left open."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table.name: [] for table in TABLES})
    blocks: list[Block] = field(default_factory=list)

    def open_segment(self, name: str, writer: str = "hooks", month: str = "2026-01") -> Segment:
        """Register a segment; its batch and invocation have the same name."""
        segment = Segment(name, f"batch-{name}", month, f"invocation-{name}", writer, START_US)
        self.add(SEGMENT, segment.row())
        return segment

    def add(self, table: Table, row: Row) -> Row:
        """Add one row."""
        assert len(row) == len(table.columns)
        self.rows[table.name].append(row)
        return row

    def add_event(self, segment: Segment, part: str, seq: int, event_type: str, **columns: Any) -> str:
        """Add one event and give its id."""
        occurred_at = START_US + len(self.rows[EVENT.name])
        row = event_row(segment, part, seq, event_type, occurred_at=occurred_at, **columns)
        return str(self.add(EVENT, row)[EVENT.columns.index("event_id")])

    def add_change(self, segment: Segment, part: str, seq: int, record: str, note: str | None) -> str:
        """Add a changed record with its payload and give the event's id."""
        values = (
            f"salt-{seq}",
            sha256_hex(f"old {seq}"),
            sha256_hex(f"new {seq}"),
            None,
            f'{{"note":"{note}"}}',
        )
        event_id = self.add_event(
            segment, part, seq, "record_write", actor="anna", target=part, record_id=record, change_type="update",
            changed_fields='["note"]', payload_commitment=payload_commitment(*values), error_message=note,
        )  # fmt: skip
        place = {"segment": segment.segment, "part": part, "seq": seq, "event_id": event_id}
        fields: dict[str, Any] = {
            **place,
            "batch_month": segment.batch_month,
            **dict(zip(COMMITTED, values, strict=True)),
        }
        self.add(PAYLOAD, tuple(fields.get(column) for column in PAYLOAD.columns))
        return event_id

    def add_edge(self, table: Table, segment: Segment, part: str, seq: int, **columns: str) -> None:
        """Add a record edge or a column edge."""
        place: dict[str, Any] = {"segment": segment.segment, "part": part, "seq": seq, "target": part}
        batch = {"batch_id": segment.batch_id, "batch_month": segment.batch_month}
        fields = place | batch | columns
        self.add(table, tuple(fields.get(column) for column in table.columns))

    def seal(self, segment: Segment) -> None:
        """Write the segment's blocks."""
        for table in SEALED:
            rows = [row for row in self.rows[table.name] if row[0] == segment.segment]
            leaves = [row_hash(table, row) for row in sorted(rows, key=_place)]
            tree = Tree(len(leaves), merkle_root(leaves) if leaves else None)
            newest = self.blocks[-1] if self.blocks else None
            block = next_block(newest, segment.segment, table.name, tree, START_US + 10**9)
            self.blocks.append(block)
            self.add(BLOCK, tuple(getattr(block, column) for column in BLOCK.columns))

    def write(self, warehouse: Warehouse) -> None:
        """Insert every row into a store that has its tables."""
        for table in TABLES:
            warehouse.insert(table.name, table.columns, self.rows[table.name])


def _place(row: Row) -> tuple[str, int]:
    return (str(row[1]), int(row[2] or 0))


def create_tables(target: Target) -> None:
    """The store's tables without any constraint: a dishonest administrator has dropped them."""
    target.query(f'create schema "{target.audit_schema}"')
    for table in TABLES:
        columns = ", ".join(f"{column} {table.type_of(column)}" for column in table.columns)
        target.query(f'create table "{target.audit_schema}".{table.name} ({columns})')


def ordinary_store(*, changes: int = 300) -> SyntheticStore:
    """Two sealed batches, lineage that a runner added to the first, and a batch that is still open.

    The first batch has `changes` changed orders (300: more than one Merkle node) and changed customers with nasty
    values; the second erased the payload of customer 2.
    """
    store = SyntheticStore()
    first = store.open_segment("s-first")
    store.add_event(first, "run", 1, "batch_start", actor="anna", metadata={"command": "dbt build"})
    for seq in range(1, changes + 1):
        store.add_change(first, ORDERS, seq, str(seq), None if seq % 2 else "")
    customers = [store.add_change(first, CUSTOMERS, n, text, text) for n, text in enumerate(NASTY, start=1)]
    end_of_batch(store, first)
    store.seal(first)

    lineage = store.open_segment("a-lineage", writer="runner")
    for seq, column in enumerate(("id", "note"), start=1):
        store.add_edge(
            COLUMN_EDGE,
            lineage,
            ORDERS,
            seq,
            target_column=column,
            source="raw",
            source_column=column,
            kind="DIRECT",
        )
    store.add_edge(
        RECORD_EDGE, lineage, ORDERS, 1, target_record_id="1", source="raw", source_record_id="r|1"
    )
    store.seal(lineage)

    second = store.open_segment("s-second", month="2026-02")
    store.add_event(second, "run", 1, "batch_start", actor="ben")
    store.add_event(second, "erase", 1, "erasure", target=CUSTOMERS, record_id=NASTY[1], source=customers[1])
    store.rows[PAYLOAD.name] = [row for row in store.rows[PAYLOAD.name] if row[3] != customers[1]]
    end_of_batch(store, second)
    store.seal(second)

    still_open = store.open_segment("s-third", month="2026-02")
    store.add_event(still_open, "run", 1, "batch_start", actor="carla")
    return store


def end_of_batch(store: SyntheticStore, segment: Segment) -> None:
    """The events with which a batch ends."""
    for seq, node in enumerate((CUSTOMERS, ORDERS), start=1):
        store.add_event(
            segment, "end", seq, "checkpoint", target=node, metadata={"kind": "node", "status": "success"}
        )
    store.add_event(segment, "end", 3, "batch_end", metadata={"status": "success", "reason": None})
