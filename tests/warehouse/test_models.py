"""The package's views over a store whose every row is known: statuses, counts, changes, on both engines."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from batch_audit.ledger.tables import BLOCK, EVENT, PAYLOAD, SEGMENT, Table
from tests.support.project import Project

MONTH = "2026-01"
START = 1_767_322_800_000_000  # 2026-01-02 03:00:00 UTC
ORDERS, TEST = "model.shop.orders", "test.shop.unique_orders_id.0123456789"


@dataclass
class Store:
    """Rows of a store in the making."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: Table, **row: Any) -> None:
        """Add one row; columns that are not named are NULL."""
        self.rows.setdefault(table.name, []).append(row)

    def segment(self, batch: str, segment: str, writer: str = "hooks", *, sealed: bool = True) -> None:
        """Register a segment, sealed or not."""
        self.add(SEGMENT, segment=segment, part="segment", seq=1, batch_id=batch, batch_month=MONTH,
                 invocation_id=segment, writer=writer, opened_at=START)  # fmt: skip
        if sealed:
            number = len(self.rows.get(BLOCK.name, [])) + 1
            self.add(BLOCK, block_no=number, segment=segment, table_name="audit_event", format_version="v1",
                     leaf_count=1, previous_hash=f"h{number - 1}", block_hash=f"h{number}",
                     sealed_at=START)  # fmt: skip

    def event(
        self, batch: str, segment: str, event_type: str, after_s: int, meta: Any = None, **row: Any
    ) -> str:
        """Add an event of the invocation that has the segment's name; returns its id."""
        number = len(self.rows.get(EVENT.name, [])) + 1
        values = {"part": "end", "invocation_id": segment, "actor": "ana", **row}
        self.add(EVENT, segment=segment, seq=number, event_id=f"e{number}", batch_id=batch, batch_month=MONTH,
                 event_type=event_type, occurred_at=START + after_s * 1_000_000,
                 metadata=None if meta is None else json.dumps(meta), **values)  # fmt: skip
        return f"e{number}"

    def change(
        self, number: int, change_type: str, old: Any, new: Any, changed: Sequence[str] | None = None
    ) -> None:
        """Add a changed record of `orders` in batch b-ok, with its payload."""
        event = self.event(
            "b-ok", "s1", "record_write", 2, part=ORDERS, target=ORDERS, record_id=str(number),
            change_type=change_type, changed_fields=None if changed is None else json.dumps(changed),
        )  # fmt: skip
        self.add(PAYLOAD, segment="s1", part=ORDERS, seq=number, event_id=event, batch_month=MONTH, salt="s",
                 old_value=None if old is None else json.dumps(old, ensure_ascii=False),
                 new_value=None if new is None else json.dumps(new, ensure_ascii=False))  # fmt: skip


def known_store() -> Store:
    """A batch that is complete, one per way to end badly, and one that still runs."""
    store = Store()
    store.segment("b-ok", "s1")
    store.event(
        "b-ok",
        "s1",
        "batch_start",
        0,
        {"job": "nightly", "command": "dbt build", "git_dirty": False},
        part="run",
    )
    store.event("b-ok", "s1", "checkpoint", 3, {
        "kind": "node", "resource_type": "model", "status": "success", "execution_us": 1_500_000,
        "started_at": START, "completed_at": START + 1_500_000, "message": "it's {{ ok }}",
    }, target=ORDERS)  # fmt: skip
    store.event("b-ok", "s1", "checkpoint", 2, {
        "kind": "capture", "mode": "changes", "capture_no": 2, "relation": "orders", "key": ["id", "line no"],
        "rows_after": 3, "inserts": 1, "updates": 2, "deletes": 1, "ignored": [],
    }, part=ORDERS, target=ORDERS)  # fmt: skip
    store.change(1, "insert", None, {"id": "1", "note": None, 'a "b", c/d~e': ""})
    store.change(2, "update", {"id": "2", "x, y": "1"}, {"id": "2", "x, y": None}, ["x, y"])
    store.change(3, "delete", {"id": "3"}, None)
    store.event("b-ok", "s1", "record_write", 2, part=ORDERS, target=ORDERS, record_id="4", change_type="update",
                changed_fields='["id"]')  # fmt: skip
    found = {"kind": "test", "name": "unique_orders_id", "status": "fail", "failures": 5, "rows_capped": True}
    store.event("b-ok", "s1", "validation_fail", 4, found, target=ORDERS, source=TEST)
    store.event(
        "b-ok",
        "s1",
        "record_error",
        4,
        {"matched": "key"},
        part=TEST,
        target=ORDERS,
        source=TEST,
        record_id="2",
    )
    store.event("b-ok", "s1", "batch_end", 5, {"status": "success"})
    store.segment("b-open", "s2", sealed=False)
    store.event("b-open", "s2", "batch_start", 10, {}, part="run")
    store.segment("b-two", "s3")
    store.event("b-two", "s3", "batch_start", 20, {}, part="run")
    store.event("b-two", "s3", "batch_end", 21, {"status": "success"})
    store.segment("b-two", "s4", sealed=False)
    store.event("b-two", "s4", "batch_start", 22, {}, part="run")
    store.event("b-two", "s4", "batch_end", 30, {"status": "error"})
    store.segment("b-killed", "s5")
    store.event("b-killed", "s5", "batch_start", 40, {}, part="run")
    store.segment("b-killed", "r1", "runner")
    store.event("b-killed", "r1", "batch_end", 45, {"status": "interrupted", "reason": "Ctrl-C"})
    store.segment("b-silent", "s6", sealed=False)
    return store


VARS = json.dumps({"batch_audit_models": True, "batch_audit_enabled": False, "batch_audit_tests": True})
ENV = {"DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_BATCH_MONTH": MONTH}


@pytest.mark.slow
def test_the_views_say_what_the_store_holds(make_project: Callable[..., Project]) -> None:
    project = make_project()
    project.dbt("run", "--select", "rpt_package", "--vars", VARS, env=ENV)
    warehouse = project.warehouse()
    for table in (SEGMENT, EVENT, PAYLOAD, BLOCK):
        rows = known_store().rows[table.name]
        warehouse.insert(
            table.name, table.columns, [[row.get(name) for name in table.columns] for row in rows]
        )
    warehouse.close()
    # Every view keeps its contract, and its own data tests hold.
    project.dbt("build", "--select", "package:batch_audit", "--vars", VARS, env=ENV)

    batches = {row["batch_id"]: row for row in project.audit("select * from {audit}.rpt_batch_summary")}
    assert {name: row["status"] for name, row in batches.items()} == {
        "b-ok": "success", "b-open": "running", "b-two": "error", "b-killed": "interrupted", "b-silent": "incomplete",
    }  # fmt: skip
    assert {name: row["sealed"] for name, row in batches.items() if row["sealed"]} == {
        "b-ok": True,
        "b-killed": True,
    }
    assert (batches["b-killed"]["first_block"], batches["b-killed"]["last_block"]) == (3, 4)
    ok = batches["b-ok"]
    assert (ok["job"], ok["actor"], float(ok["duration_s"]), ok["nodes_ok"], ok["tests_failed"]) == (
        "nightly", "ana", 5.0, 1, 1,
    )  # fmt: skip
    assert (ok["records_inserted"], ok["records_updated"], ok["records_deleted"], ok["record_errors"]) == (
        1,
        2,
        1,
        1,
    )

    fields = project.audit(
        "select record_id, field, old_value, new_value, values_erased from {audit}.fct_field_changes"
    )
    assert sorted(tuple(row.values()) for row in fields if not row["values_erased"]) == [
        ("1", 'a "b", c/d~e', None, "", False),
        ("1", "id", None, "1", False),
        ("2", "x, y", "1", None, False),
        ("3", "id", "3", None, False),
    ]
    assert [row["record_id"] for row in fields if row["values_erased"]] == ["4"]
    changes = project.audit(
        "select record_id, changed_fields, capture_no, job from {audit}.fct_record_changes order by 1"
    )
    assert [tuple(row.values()) for row in changes] == [
        ("1", None, 2, "nightly"), ("2", "x, y", 2, "nightly"), ("3", None, 2, "nightly"), ("4", "id", 2, "nightly"),
    ]  # fmt: skip
    tests = project.audit(
        "select test_name, failures, rows_recorded, rows_capped, passed from {audit}.rpt_validation_results"
    )
    assert [tuple(row.values()) for row in tests] == [("unique_orders_id", 5, 1, True, False)]
    errors = project.audit("select test_name, record_id, matched from {audit}.rpt_record_errors")
    assert [tuple(row.values()) for row in errors] == [("unique_orders_id", "2", "key")]
    nodes = project.audit(
        "select node_name, duration_s, records_updated, message from {audit}.rpt_batch_nodes"
    )
    assert [
        (row["node_name"], float(row["duration_s"]), row["records_updated"], row["message"]) for row in nodes
    ] == [("orders", 1.5, 2, "it's {{ ok }}")]
    relations = project.audit(
        "select record_key, last_row_count, captures from {audit}.dim_audited_relations"
    )
    assert [tuple(row.values()) for row in relations] == [("id, line no", 3, 1)]
