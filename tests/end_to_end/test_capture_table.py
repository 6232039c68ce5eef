"""Record changes of table models: what is stored, compared with what was done to the data."""

import json
from collections.abc import Callable

from tests.support.project import Project

ORDERS_YML = """
models:
  - name: orders
    config: {meta: {audit_capture: changes}}
    columns:
      - name: order_id
        data_tests: [unique, not_null]
      - name: status
        data_tests:
          - accepted_values: {arguments: {values: [new, paid]}}
"""


def orders(rows: str) -> str:
    """A table model over literal rows (order_id, status, amount)."""
    return (
        "{{ config(materialized='table') }}\n"
        f"select * from (values {rows}) as v(order_id, status, amount)"
    )


def test_a_second_build_stores_every_insert_update_and_delete(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"models/orders.yml": ORDERS_YML})
    project.write("models/orders.sql", orders("(1, 'new', 10.50), (2, 'new', 20.00), (3, 'paid', null)"))
    project.dbt("build")
    project.write("models/orders.sql", orders("(1, 'paid', 10.50), (3, 'paid', null), (4, 'odd', 5.25)"))
    assert project.dbt("build", check=False).returncode == 1

    changes = project.audit(
        "select e.record_id, e.change_type, e.changed_fields, p.old_value, p.new_value, p.old_hash, p.record_hash"
        " from {audit}.audit_event e join {audit}.audit_payload p using (event_id)"
        " where e.event_type = 'record_write' order by e.record_id"
    )
    assert [(c["record_id"], c["change_type"], c["changed_fields"]) for c in changes] == [
        ("1", "update", '["status"]'),
        ("2", "delete", None),
        ("4", "insert", None),
    ]
    assert json.loads(changes[0]["old_value"]) == {"amount": "10.5", "order_id": "1", "status": "new"}
    assert json.loads(changes[0]["new_value"]) == {"amount": "10.5", "order_id": "1", "status": "paid"}
    assert changes[1]["new_value"] is None and changes[1]["record_hash"] is None
    assert changes[2]["old_value"] is None and changes[2]["old_hash"] is None

    errors = project.audit(
        "select e.record_id, e.metadata, p.new_value from {audit}.audit_event e"
        " join {audit}.audit_payload p using (event_id) where e.event_type = 'record_error'"
    )
    assert [(e["record_id"], json.loads(e["metadata"])["matched"]) for e in errors] == [("4", "value")]
    captures = project.audit(
        "select metadata from {audit}.audit_event where event_type = 'checkpoint' and part like 'model.%'"
        " order by occurred_at"
    )
    modes = [json.loads(c["metadata"]) for c in captures]
    assert [(m["mode"], m["capture_no"], m["rows_after"]) for m in modes] == [
        ("first_build", 1, 3),
        ("changes", 2, 3),
    ]
    assert modes[0]["key"] == ["order_id"] and modes[0]["key_rule"] == "unique and not_null tests"
