"""The events of a batch: valid, complete, in order, and the same each time."""

import itertools
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_audit.openlineage.column_lineage import ANY, Dataset, Edge, column_lineage_facet
from batch_audit.openlineage.events import NOT_RUN, batch_events, batch_run_id, job_name
from batch_audit.openlineage.facts import (
    BatchRun,
    Field,
    NodeRun,
    Output,
    Relation,
    Repository,
    Test,
    Written,
)  # fmt: skip
from tests.support.openlineage_schemas import problems

NAMES = ("a", "b", "c", "d")
BEGAN = datetime(2026, 1, 31, 23, 59, 59, 999_999)
text = st.text(min_size=1, max_size=8)
columns = st.sampled_from(["id", "Mail", "größe", ANY])
times = st.integers(0, 10_000_000).map(lambda us: BEGAN + timedelta(microseconds=us))
datasets = st.sampled_from(NAMES).map(lambda name: Dataset("postgres://db:5432", f"shop.public.{name}"))
relations = st.builds(
    Relation, datasets, st.lists(st.builds(Field, text, st.none() | text, st.none() | text), max_size=2).map(tuple),
    st.none() | text, st.lists(text, max_size=2).map(tuple),
)  # fmt: skip
edges = st.builds(
    Edge, st.sampled_from((*NAMES, "unnamed")), columns, st.none() | columns, st.sampled_from(["DIRECT", "INDIRECT"]),
    st.sampled_from(["IDENTITY", "FILTER"]), st.booleans(), st.text(max_size=5),
)  # fmt: skip
sources = st.dictionaries(st.sampled_from(NAMES), datasets)
outputs = st.builds(
    Output, relations, st.lists(edges, max_size=6).map(tuple),
    st.builds(Written, st.none() | st.integers(0), st.none() | st.integers(0), st.just({}) | st.just({"deleted": 2})),
)  # fmt: skip
tests = st.builds(
    Test, text, st.none() | text, st.none() | text, st.none() | text, st.none() | st.integers(0), relations
)
statuses = st.sampled_from(
    ["success", "error", "partial success", "unknown", "pass", "warn", "fail", "runtime error", *NOT_RUN]
)
nodes = st.builds(
    NodeRun, st.uuids().map(str), text, st.sampled_from(["model", "seed", "snapshot", "test"]), statuses, times, times,
    st.none() | text, st.none() | text, st.none() | text, st.none() | text, st.none() | text,
    st.lists(relations, max_size=2).map(tuple), st.lists(outputs, max_size=2).map(tuple), sources, st.none() | tests,
)  # fmt: skip
batches = st.builds(
    BatchRun, text | st.uuids().map(str), st.sampled_from(["success", "error", "interrupted", "incomplete", "running"]),
    times, st.none() | times, st.none() | text, st.none() | text, st.none() | text, st.none() | text, st.none() | text,
    st.none() | st.builds(Repository, st.just("https://git.example/shop.git"), st.none() | text, st.none() | text),
    st.none(), st.lists(nodes, max_size=4, unique_by=lambda node: node.event_id).map(tuple),
)  # fmt: skip


def states(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Run id to the states of its events, in their order."""
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event["run"]["runId"], []).append(event["eventType"])
    return found


@settings(deadline=None)
@given(batches)
def test_every_event_is_valid(batch: BatchRun) -> None:
    for event in batch_events(batch, "dbt"):
        assert problems(json.loads(json.dumps(event))) == []


@settings(deadline=None)
@given(batches)
def test_each_run_begins_once_and_then_ends_once(batch: BatchRun) -> None:
    events = batch_events(batch, "dbt")
    own = batch_run_id(batch.batch_id)
    runs = states(events)
    assert [runs[own][0], len(runs[own])] == ["START", 1 if batch.ended is None else 2]
    for run_id, seen in runs.items():
        if run_id != own:
            assert seen[0] == "START"
            assert seen[1:] in (["COMPLETE"], ["FAIL"], ["ABORT"])
    assert len(runs) == 1 + sum(node.status not in NOT_RUN for node in batch.nodes)


@settings(deadline=None)
@given(batches)
def test_events_come_in_the_order_of_time_between_those_of_the_batch(batch: BatchRun) -> None:
    events = batch_events(batch, "dbt")
    own = batch_run_id(batch.batch_id)
    within = [event for event in events if event["run"]["runId"] != own]
    assert within == events[1 : len(within) + 1]
    assert [event["eventTime"] for event in within] == sorted(event["eventTime"] for event in within)
    for event in within:
        assert event["run"]["facets"]["parent"]["run"] == {"runId": own}
        assert event["run"]["facets"]["parent"]["job"] == {"namespace": "dbt", "name": job_name(batch)}


@settings(deadline=None)
@given(batches)
def test_sending_twice_sends_the_same(batch: BatchRun) -> None:
    assert batch_events(batch, "dbt") == batch_events(replace(batch), "dbt")


@settings(deadline=None)
@given(batches, st.uuids().map(str))
def test_another_batch_has_other_runs(batch: BatchRun, other: str) -> None:
    mine, theirs = batch_events(batch, "dbt"), batch_events(replace(batch, batch_id=other), "dbt")
    if batch.batch_id != other:
        assert not states(mine).keys() & states(theirs).keys()


@settings(deadline=None)
@given(st.lists(edges, max_size=12), sources)
def test_the_facet_says_each_edge_that_it_can_name_and_no_other(
    found: list[Edge], named: dict[str, Dataset]
) -> None:
    facet = column_lineage_facet(found, named) or {"fields": {}}
    told = [(column, item) for column, field in facet["fields"].items() for item in field["inputFields"]]
    told += [(None, item) for item in facet.get("dataset", [])]
    said = [
        (Dataset(item["namespace"], item["name"]), item["field"], column, how["type"], how["subtype"], how["masking"],
         how.get("description", ""))
        for column, item in told for how in item["transformations"]
    ]  # fmt: skip
    expected = {
        (named[edge.source], edge.source_column, edge.target_column, edge.kind, edge.subtype, edge.masking,
         edge.expression)
        for edge in found
        if edge.source in named and ANY not in (edge.source_column, edge.target_column)
    }  # fmt: skip
    assert set(said) == expected
    assert len(said) == len(expected)


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        ("success", "COMPLETE"), ("nothing_selected", "COMPLETE"), ("error", "FAIL"), ("interrupted", "ABORT"),
        ("incomplete", "ABORT"),
    ],
)  # fmt: skip
def test_a_batch_ends_as_its_status_says(status: str, ends: str) -> None:
    batch = BatchRun("nightly 7", status, BEGAN, BEGAN, "shop", "nightly", "the disk was full")
    last = batch_events(batch, "dbt")[-1]
    assert last["eventType"] == ends
    assert last["job"]["name"] == "shop.nightly"
    message = last["run"]["facets"].get("errorMessage", {}).get("message")
    assert message == (None if ends == "COMPLETE" else "the disk was full")


def test_a_test_that_could_not_run_asserts_nothing() -> None:
    orders = Relation(Dataset("duckdb:///x", "x.main.orders"))
    test = Test("unique_orders", "unique", "id", "error", None, orders)
    ran = NodeRun("e", "test.shop.unique_orders", "test", "error", BEGAN, BEGAN, "no such column", inputs=(orders,),
                  test=test)  # fmt: skip
    end = batch_events(BatchRun("b", "error", BEGAN, BEGAN, nodes=(ran,)), "dbt")[2]
    assert (end["eventType"], end["inputs"][0].get("inputFacets"), end["run"]["facets"].get("test")) == (
        "FAIL", None, None,
    )  # fmt: skip
    warned = replace(ran, status="warn", test=replace(test, failures=3))
    end = batch_events(BatchRun("b", "success", BEGAN, BEGAN, nodes=(warned,)), "dbt")[2]
    [assertion] = end["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert end["eventType"] == "COMPLETE"
    assert (assertion["success"], assertion["actual"], assertion["column"]) == (False, "3", "id")


def test_the_judge_itself_finds_what_is_wrong() -> None:
    """Every facet of a rich event, with one field removed or of another type, is refused."""
    orders = Relation(
        Dataset("duckdb:///x", "x.main.orders"), (Field("id", "int"),), "Orders", ("team:core",)
    )
    output = Output(orders, (Edge("a", "id", "id", "DIRECT", "IDENTITY"),), Written(2, 3))
    ran = NodeRun("e", "model.shop.orders", "model", "success", BEGAN, BEGAN, None, "1.11", "select 1", "m.sql", "It",
                  (orders,), (output,), {"a": orders.dataset}, Test("t", tested=orders))  # fmt: skip
    batch = BatchRun("b", "success", BEGAN, BEGAN, repository=Repository("https://x.example/r"), nodes=(ran,))
    event = batch_events(batch, "dbt")[2]
    assert problems(event) == []
    places = [event["run"]["facets"], event["job"]["facets"], event["inputs"][0]["facets"]]
    places += [event["outputs"][0]["facets"], event["outputs"][0]["outputFacets"]]
    broken = 0
    for holder, key in itertools.chain.from_iterable(((place, key) for key in place) for place in places):
        whole = holder[key]
        for name in whole:
            holder[key] = whole | {name: 1.5}
            assert problems(event), (key, name)
            broken += 1
        holder[key] = whole
    assert broken > 40
