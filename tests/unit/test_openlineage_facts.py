"""From rows of the store to facts: names, times, rows, and what is left out with a word."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch_audit.openlineage.column_lineage import Edge
from batch_audit.openlineage.facts import BatchRun, NodeRun
from batch_audit.openlineage.read import Artifacts, batch_run
from batch_audit.openlineage.stored import Stored

BEGAN = datetime(2026, 1, 1, 12)
BATCH = {
    "batch_id": "b", "status": "success", "started_at": BEGAN, "ended_at": BEGAN + timedelta(minutes=5),
    "project": "shop", "job": None, "error_message": None, "status_reason": None, "dbt_version": "1.11",
}  # fmt: skip
CALL = {
    "invocation_id": "i", "started_at": BEGAN + timedelta(minutes=1), "ended_at": BEGAN + timedelta(minutes=4),
    "dbt_version": "1.11",
}  # fmt: skip
NODE = {
    "event_id": "e", "invocation_id": "i", "node_id": "model.shop.orders", "resource_type": "model",
    "status": "success",
    "relation": '"shop"."main"."orders"', "materialized": "table", "started_at": BEGAN, "ended_at": BEGAN,
    "duration_s": None, "message": None, "rows_affected": None, "row_count": None, "capture_mode": None,
    "records_inserted": None, "records_updated": None, "records_deleted": None, "compiled_checksum": None,
}  # fmt: skip


def run_of(tmp_path: Path, edges: list[tuple[str, Edge]], **node: Any) -> tuple[BatchRun, list[str]]:
    row = NODE | node
    relations = {row["node_id"]: row["relation"]} if row["relation"] else {}
    stored = Stored(BATCH, [CALL], [row], [], [], {}, {row["node_id"]: edges}, relations)
    return batch_run(stored, "duckdb:///shop.duckdb", "duckdb", Artifacts(tmp_path))


def only(tmp_path: Path, edges: list[tuple[str, Edge]] | None = None, **node: Any) -> NodeRun:
    [run] = run_of(tmp_path, edges or [], **node)[0].nodes
    return run


def test_what_a_hook_writes_is_an_output_too(tmp_path: Path) -> None:
    orders = "model.shop.orders"
    edges = [
        (orders, Edge("raw.main.drops", "id", "id", "DIRECT", "IDENTITY")),
        ("shop.main.log", Edge(orders, "id", "order_id", "DIRECT", "IDENTITY")),
    ]
    run = only(tmp_path, edges, row_count=3)
    assert [item.relation.dataset.name for item in run.outputs] == ["shop.main.orders", "shop.main.log"]
    assert [item.dataset.name for item in run.inputs] == ["shop.main.orders", "raw.main.drops"]
    assert [item.written.rows for item in run.outputs] == [3, None]


def test_a_name_that_is_not_whole_is_left_out_and_said(tmp_path: Path) -> None:
    edges = [
        ("model.shop.orders", Edge(name, "id", "id", "DIRECT", "IDENTITY")) for name in ("drops", "raw.drops")
    ]
    run, notes = run_of(tmp_path, edges)
    assert run.nodes[0].inputs == ()
    assert notes[-1] == "relations whose full names are not known are left out (2): drops, raw.drops"


@pytest.mark.parametrize(
    ("relation", "name"),
    [('"shop"."main"."Odd ""Name"""', 'shop.main.Odd "Name"'), ("shop.main.orders", "shop.main.orders"),
     ('"a.b"."c d"."größe"', "a.b.c d.größe")],
)  # fmt: skip
def test_a_relation_is_named_without_its_quotes(tmp_path: Path, relation: str, name: str) -> None:
    assert only(tmp_path, relation=relation).outputs[0].relation.dataset.name == name


@pytest.mark.parametrize(
    ("node", "began", "ended"),
    [
        ({"started_at": BEGAN, "ended_at": BEGAN + timedelta(seconds=9)}, 0, 9),
        ({"started_at": None, "ended_at": BEGAN + timedelta(seconds=9), "duration_s": 4}, 5, 9),
        ({"started_at": BEGAN, "ended_at": None, "duration_s": 4}, 0, 4),
        ({"started_at": BEGAN, "ended_at": None}, 0, 240),
        ({"started_at": None, "ended_at": None}, 60, 240),
        ({"started_at": None, "ended_at": None, "invocation_id": "unheard of"}, 0, 300),
    ],
)
def test_times_that_dbt_does_not_give_are_bounded(
    tmp_path: Path, node: dict[str, Any], began: int, ended: int
) -> None:
    run = only(tmp_path, **node)
    assert ((run.began - BEGAN).seconds, (run.ended - BEGAN).seconds) == (began, ended)


@pytest.mark.parametrize(
    ("node", "rows"),
    [
        ({"rows_affected": 7, "row_count": 9, "materialized": "incremental"}, 7),
        ({"rows_affected": -1, "materialized": "view"}, None),
        ({"rows_affected": None, "row_count": 9}, 9),
        ({"rows_affected": None, "row_count": 9, "materialized": "incremental"}, None),
        ({"rows_affected": 0, "row_count": 9}, 0),
    ],
)
def test_rows_written_are_counted_or_not_told(tmp_path: Path, node: dict[str, Any], rows: int | None) -> None:
    assert only(tmp_path, **node).outputs[0].written.rows == rows


def test_changes_are_those_of_a_comparison_alone(tmp_path: Path) -> None:
    counted = {"records_inserted": 5, "records_updated": None, "records_deleted": 1}
    assert only(tmp_path, capture_mode="baseline", **counted).outputs[0].written.changes == {}
    assert only(tmp_path, capture_mode="changes", **counted).outputs[0].written.changes == {
        "inserted": 5, "updated": 0, "deleted": 1,
    }  # fmt: skip


def test_secrets_are_hidden_in_messages_and_expressions(tmp_path: Path) -> None:
    edge = Edge("raw.main.drops", "id", "id", "DIRECT", "TRANSFORMATION", False, "id || 's3cret'")
    row = NODE | {"status": "error", "message": "bad 's3cret'"}
    stored = Stored(BATCH, [CALL], [row], [], [], {}, {"model.shop.orders": [("model.shop.orders", edge)]},
                    {"model.shop.orders": '"shop"."main"."orders"'})  # fmt: skip
    hiding = Artifacts(tmp_path, hide=lambda text: text.replace("s3cret", "***"))
    [run] = batch_run(stored, "duckdb:///x", "duckdb", hiding)[0].nodes
    assert run.message == "bad '***'"
    assert [item.expression for item in run.outputs[0].edges] == ["id || '***'"]
