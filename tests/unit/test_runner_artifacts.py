"""dbt's artifacts, whole, torn and from versions that nobody has seen yet."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.runner.artifacts import (
    ResultsWatch,
    read_manifest,
    read_run_results,
    with_manifest,
    with_results,
)
from batch_audit.runner.facts import Invocation, Node
from batch_audit.runner.log import invocation_ids, read_log
from batch_audit.runner.narrative import narrate

RESULTS = {
    "metadata": {
        "invocation_id": "i1", "dbt_version": "1.11.16", "invocation_started_at": "2026-11-24T08:00:00.000001Z",
        "env": {"BATCH_AUDIT_BATCH_ID": "b1"},
    },
    "args": {"which": "build"},
    "results": [
        {
            "unique_id": "model.shop.orders", "status": "success", "execution_time": 0.25, "thread_id": "Thread-1",
            "timing": [
                {"name": "compile", "started_at": "2026-11-24T08:00:01Z", "completed_at": "2026-11-24T08:00:02Z"},
                {"name": "execute", "started_at": "2026-11-24T08:00:02Z", "completed_at": "2026-11-24T08:00:03Z"},
            ],
            "adapter_response": {"rows_affected": 3}, "message": "OK\x00 é", "compiled_code": "select 1",
        },
        {"unique_id": "model.shop.odd", "status": "partial success"},
        {"unique_id": "model.shop.new", "status": "a status of tomorrow", "timing": None, "adapter_response": None},
        {"unique_id": "operation.shop.shop-on-run-end-0", "status": "error", "message": "no such table"},
        {"status": "success"},
    ],
}  # fmt: skip
WHOLE = json.dumps(RESULTS, ensure_ascii=False).encode()


def test_results_say_more_than_the_log_and_the_log_knows_more_nodes() -> None:
    found = read_run_results(WHOLE)
    assert found is not None
    logged = Invocation("i1", nodes=(Node("model.shop.orders", "unknown", "log", "model", "orders"),
                                     Node("model.shop.cut", "unknown", "log", "model", "cut")))  # fmt: skip
    told = with_results(logged, found)
    assert [(node.unique_id, node.status) for node in told.nodes] == [
        ("model.shop.orders", "success"), ("model.shop.odd", "partial success"),
        ("model.shop.new", "a status of tomorrow"), ("model.shop.cut", "unknown"),
    ]  # fmt: skip
    orders = told.nodes[0]
    assert (orders.execution_us, orders.rows_affected, orders.message) == (250_000, 3, "OK é")
    assert (orders.completed_at or 0) - (orders.started_at or 0) == 2_000_000
    assert (told.hook_error, told.command, told.dbt_version) == ("no such table", "build", "1.11.16")


@given(st.integers(0, len(WHOLE) - 1))
def test_a_torn_artifact_is_none(cut: int) -> None:
    assert read_run_results(WHOLE[:cut]) is None


@pytest.mark.parametrize("content", [b"[]", b"null", b'{"metadata": []}', b'{"metadata": {}}', b"\xff"])
def test_what_is_no_artifact_is_none(content: bytes) -> None:
    assert read_run_results(content) is None


def test_each_call_of_a_script_is_kept_and_an_older_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "run_results.json"
    path.write_bytes(WHOLE)
    watch = ResultsWatch(path)
    watch._look()
    for number in (2, 3):
        path.write_bytes(WHOLE[:50])
        watch._look()
        path.write_bytes(WHOLE.replace(b'"i1"', f'"call {number}"'.encode()))
        watch._look()
    assert list(watch.finish()) == ["call 2", "call 3"]


def test_a_manifest_counts_only_for_the_invocation_that_wrote_it(tmp_path: Path) -> None:
    test = {
        "resource_type": "test",
        "name": "t",
        "depends_on": {"nodes": ["model.shop.a"]},
        "config": {"severity": "WARN"},
    }
    manifest = {"metadata": {"invocation_id": "i1"}, "nodes": {"test.shop.t.1": test}, "unit_tests": None}
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert read_manifest(path, "i2") == read_manifest(tmp_path / "none.json", "i1") == {}
    node = Node("test.shop.t.1", "fail", "log", "test", "t")
    (told,) = with_manifest(Invocation("i1", nodes=(node,)), read_manifest(path, "i1")).nodes
    assert (told.tested, told.severity, told.asks_capture) == ("model.shop.a", "warn", False)
    path.write_bytes(path.read_bytes()[:-5])
    assert read_manifest(path, "i1") == {}


LOG = (
    f"{'=' * 30} 08:00:00.000000 | 1205e73a-6309-4673-98a1-4f01f1c7ca29 {'=' * 30}\n"
    "08:00:00.000000 [info ] [MainThread]: Running with dbt=1.11.16\n"
    "08:00:01.000000 [debug] [Thread-1 (]: Began running node model.shop.größe\n"
    "99:99:99.000000 [debug] [Thread-1 (]: a line of somebody's own\n"
    "08:00:02.000000 [debug] [Thread-1 (]: Finished running node model.shop.größe\n"
).encode()


@given(st.integers(0, len(LOG)), st.binary(max_size=8))
def test_a_log_that_ends_anywhere_is_read_as_far_as_it_goes(cut: int, rest: bytes) -> None:
    content = LOG[:cut] + rest
    parts = read_log(content, 1_795_507_200_000_000)
    assert [part.invocation_id for part in parts] == invocation_ids(content)
    for part in parts:
        assert not narrate(part).ended


def test_a_whole_log_names_the_node_whatever_stands_between() -> None:
    (node,) = narrate(read_log(LOG, 1_795_507_200_000_000)[0]).nodes
    assert (node.unique_id, node.execution_us) == ("model.shop.größe", 1_000_000)
