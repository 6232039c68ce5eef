"""`batch-audit trace` after somebody changed what records came from: it says so, and reads the past where it can."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.test_trace import SOURCE_ORDERS, Shop, built, ends
from tests.support.forked import Forks
from tests.support.project import Project

pytestmark = pytest.mark.slow


@pytest.fixture(params=["duckdb", "postgres"])
def own_shop(request: pytest.FixtureRequest, forks: Forks, tmp_path: Path) -> Iterator[Shop]:
    """A shop that the test may change."""
    with built(request.param, forks, tmp_path) as made:
        yield made


def run(shop: Shop, *args: str) -> str:
    """Run dbt with the audit, and give the batch."""
    shop.forks.batch_audit(shop.project, "run", "--no-report", "--", "dbt", *args)
    rows = shop.project.audit("select batch_id from {audit}.audit_segment order by opened_at desc limit 1")
    return str(rows[0]["batch_id"])


def test_changes_since_a_record_was_written_are_said(own_shop: Shop) -> None:
    shop = own_shop
    # An input is built again, and its consumer is not: the log tells what the input was.
    shop.project.query("insert into raw.orders values (17, 2, '2026-01-06', 1, 'paid')")
    shop.project.query("delete from raw.orders where id = 12")
    third = run(shop, "run", "--select", "orders")
    found = shop.traced("revenue", "2")
    assert ends(found)["model.shop.orders"] == {"15"}
    assert [hop.label for hop in found.traces[0].hops] == ["exact", "exact"]
    assert "17" in ends(shop.traced("raw.orders", "17", "downstream"))["model.shop.orders"]

    # A record that is gone: which batch deleted it.
    said = shop.forks.batch_audit(shop.project, "trace", "orders", "12", expect=2).stderr
    assert f"batch {third} deleted it" in " ".join(said.split())
    before = shop.traced("orders", "12", as_of=shop.batches[1])
    assert before.root.record_id == "12"
    [hop] = before.traces[0].hops
    assert "does not give it any more" in hop.doubts["12"]

    # Somebody edits a record in the model's own table.
    shop.project.query("update shop.orders set amount = 999 where order_id = 15")
    edited = shop.traced("orders", "15")
    assert (edited.root.state, edited.root.written.batch_id) == ("changed", shop.batches[1])
    assert "without the audit" in (edited.root.note or "")
    assert "other values" in edited.traces[0].hops[0].doubts["15"]
    tree = shop.forks.batch_audit(shop.project, "trace", "revenue", "2").stdout
    assert "changed since batch" in tree and "unknown" in tree

    # A source row goes: its record is still there, and cannot be made again.
    shop.project.query("delete from raw.orders where id = 16")
    [lost] = shop.traced("orders", "16").traces[0].hops
    assert "does not give it any more" in lost.doubts["16"]
    assert lost.edges == ()
    # Its model stores edges: they tell what it was made of, and that this is gone.
    [kept] = shop.traced("stored", "16").traces[0].hops
    assert (kept.stored, kept.label, kept.label_of("16"), kept.batch_id) == (
        True,
        "exact",
        "exact",
        shop.batches[1],
    )
    assert [(edge.source_node, edge.source) for edge in kept.edges] == [(SOURCE_ORDERS, "16")]
    told = shop.forks.batch_audit(shop.project, "trace", "stored", "16").stdout
    assert "as stored by its batch" in told and "changed since it was used" in told
    # A source row changes: the row is named, and that it is not what it was.
    shop.project.query("update raw.orders set amount = 21 where id = 10")
    [changed] = shop.traced("orders", "10").traces[0].hops
    assert (changed.label_of("10"), changed.doubts["10"].split(":")[0]) == (
        "unknown", "made again from its inputs as they are now, it has other values",
    )  # fmt: skip
    assert {edge.source for edge in changed.edges if edge.source_node == SOURCE_ORDERS} == {"10"}
    [known] = shop.traced("stored", "10").traces[0].hops
    [edge] = known.edges
    assert known.stored and edge.used is not None
    assert shop.traced("stored", "10").traces[0].records[SOURCE_ORDERS, "10"].hash != edge.used


@pytest.mark.parametrize("engine", ["duckdb"])
def test_without_a_store_the_code_is_that_of_the_manifest(
    make_project: Callable[..., Project], forks: Forks, engine: str
) -> None:
    keyed = "{{ config(materialized='table', meta={'audit_key': 'id'}) }}\n"
    files = {
        "models/a.sql": f"{keyed}select 1 as id, 'x' as v",
        "models/b.sql": f"{keyed}select id, v from {{{{ ref('a') }}}}",
    }
    project = make_project(files=files, installed=False, hook=False)
    early = forks.batch_audit(project, "trace", "b", "1", expect=2)
    assert "does not exist" in early.stderr
    forks.dbt(project, "build")
    done = forks.batch_audit(project, "trace", "b", "1", "--format", "json")
    assert "from dbt's manifest" in done.stderr
    assert "note: the audit store does not say: There is no audit store in" in done.stderr
    [hop] = json.loads(done.stdout)["upstream"]["hops"][:1]
    assert [(edge["source_node"], edge["source"], edge["label"]) for edge in hop["edges"]] == [
        ("model.shop.a", "1", "exact")
    ]
    refused = forks.batch_audit(project, "trace", "b", "1", "--as-of", "anything", expect=2)
    assert "There is no audit store in" in refused.stderr
