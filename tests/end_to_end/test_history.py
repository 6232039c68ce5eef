"""history, diff and as-of on a small project: what they show, and what they refuse and why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.forked import Done, Forks
from tests.support.project import Project, write_project
from tests.support.trail import database

pytestmark = pytest.mark.slow

ORDERS = "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'order_id',"
ORDERS += " 'audit_ignore': 'seen'%s}) }} select * from (values %s) as v(order_id, status, amount, seen)%s"
LINES = "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': ['order_id', 'line'],"
LINES += " 'audit_baseline': 'records'}) }} select * from (values %s) as v(order_id, line, sku)"
PLAIN = "{{ config(materialized='table') }} select 1 as id"
# orders: 1 changes twice, 2 goes, 3 comes and goes again, 4 only changes what is ignored, 5 stays.
BUILDS = (
    ("(1, 'new', 10.50, 1), (2, 'new', 2.00, 1), (4, 'new', 4.00, 1), (5, 'new', 5.00, 1)",
     "(1, 'a|b', 'x'), (1, '~', 'y')"),
    ("(1, 'paid', 10.50, 2), (3, 'new', 3.00, 2), (4, 'new', 4.00, 2), (5, 'new', 5.00, 2)",
     "(1, 'a|b', 'z'), (1, '~', 'y')"),
    ("(1, 'new', 11.00, 3), (4, 'new', 4.00, 3), (5, 'new', 5.00, 3), (6, 'new', 6.00, 3)",
     "(1, '~', 'y')"),
)  # fmt: skip
COMMITS = ("a" * 40, "b" * 40, "c" * 40)


@dataclass(frozen=True)
class Shop:
    """A project after its builds, and the batch of each."""

    project: Project
    forks: Forks
    batches: list[str]

    def build(self, orders: str, *, meta: str = "", where: str = "", commit: str | None = None) -> str:
        """Build orders and give the batch."""
        self.project.write("models/orders.sql", ORDERS % (meta, orders, where))
        env = {"GITHUB_SHA": commit, "GITHUB_ACTOR": "anna"} if commit else {}
        self.forks.dbt(self.project, "run", env=env, expect=None)
        rows = self.project.audit(
            "select batch_id from {audit}.audit_segment order by opened_at desc limit 1"
        )
        return str(rows[0]["batch_id"])

    def json(self, *args: str) -> Any:
        """What a command says to machines."""
        return json.loads(self.forks.batch_audit(self.project, *args, "--format", "json").stdout)

    def said(self, *args: str, expect: int = 0) -> str:
        """What a command says to people, in one line."""
        done: Done = self.forks.batch_audit(self.project, *args, expect=expect)
        assert done.stdout == ""
        return " ".join(done.stderr.split())

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """The rows of a relation by its first columns."""
        return sorted(tuple(row.values()) for row in self.project.query(f'select * from "shop"."{name}"'))


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def shop(
    request: pytest.FixtureRequest, forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """Three builds of orders and lines, and a model that is not captured. Tests leave them as they are."""
    with built(request.param, forks, tmp_path_factory.mktemp("history")) as made:
        yield made


class built:  # noqa: N801  reads as what it gives
    """A shop after `BUILDS`, on a database of its own."""

    def __init__(self, engine: str, forks: Forks, folder: Path):
        self._database = database(engine, folder)
        self._forks, self._folder = forks, folder

    def __enter__(self) -> Shop:
        project = write_project(self._folder / "project", self._database.__enter__())
        project.write("models/plain.sql", PLAIN)
        shop = Shop(project, self._forks, [])
        for (orders, lines), commit in zip(BUILDS, COMMITS, strict=True):
            project.write("models/lines.sql", LINES % lines)
            shop.batches.append(shop.build(orders, commit=commit))
        return shop

    def __exit__(self, *error: object) -> None:
        self._database.__exit__(None, None, None)


def test_every_version_of_a_record_is_shown(shop: Shop) -> None:
    told = shop.json("history", "orders", "1")

    assert (told["node"], told["record_id"], told["key"]) == ("model.shop.orders", "1", ["order_id"])
    versions = told["versions"]
    assert [(v["capture_no"], v["batch_id"], v["git_commit"], v["change_type"]) for v in versions] == [
        (2, shop.batches[1], COMMITS[1], "update"),
        (3, shop.batches[2], COMMITS[2], "update"),
    ]
    assert [v["changed_fields"] for v in versions] == [["status"], ["amount", "status"]]
    assert versions[1]["before"] == {"order_id": "1", "status": "paid", "amount": "10.5", "seen": "2"}
    assert versions[1]["after"] == {"order_id": "1", "status": "new", "amount": "11", "seen": "3"}
    assert all(v["actor"] and v["changed_at"].endswith("UTC") for v in versions)
    assert "capture 1" in told["history"] and "first_build" in told["history"]

    text = shop.said("history", "orders", "1")
    assert "status" in text and "paid" in text and "10.5" in text and COMMITS[1][:12] in text


def test_a_record_that_came_and_went_has_both_versions(shop: Shop) -> None:
    versions = shop.json("history", "model.shop.orders", "--key", "order_id=3")["versions"]

    assert [(v["change_type"], v["before"] is None, v["after"] is None) for v in versions] == [
        ("insert", True, False),
        ("delete", False, True),
    ]
    assert versions[0]["changed_fields"] == ["amount", "order_id", "status"]


def test_a_key_of_several_columns_is_escaped_or_named(shop: Shop) -> None:
    by_id = shop.json("history", "lines", "1|a~1b")
    named = shop.json("history", "lines", "--key", "line=a|b", "--key", "order_id=1")

    assert by_id == named
    assert [v["change_type"] for v in by_id["versions"]] == ["baseline", "update", "delete"]
    assert "baseline" in by_id["history"]
    assert [v["change_type"] for v in shop.json("history", "lines", "1|~0")["versions"]] == ["baseline"]


def test_what_cannot_be_shown_is_said(shop: Shop) -> None:
    unknown = shop.said("history", "nope", "1", expect=2)
    assert "'nope'" in unknown and "model.shop.orders" in unknown
    assert "none of its builds was captured" in shop.said("history", "plain", "1", expect=2)
    assert "order_id, line" in shop.said("history", "lines", "1", expect=2)
    assert "order_id, line" in shop.said("history", "lines", "--key", "line=1", expect=2)
    assert "order_id" in shop.said("history", "orders", expect=2)
    silent = shop.said("history", "orders", "5")
    assert "No change of the record '5' (order_id) of orders has been recorded." in silent
    assert "starts with capture 1" in silent


def test_the_net_change_leaves_out_what_came_and_went(shop: Shop) -> None:
    first, second, third = shop.batches

    whole = shop.json("diff", "orders", "--from", first, "--to", third)
    assert whole["records"] == {"insert": 1, "update": 1, "delete": 1}
    assert whole["fields"] == {"amount": 1}
    assert {s["record_id"]: (s["change_type"], s["fields"]) for s in whole["samples"]} == {
        "1": ("update", {"amount": {"before": "10.5", "after": "11"}}),
        "2": ("delete", {"order_id": {"before": "2", "after": None}, "status": {"before": "new", "after": None},
                         "amount": {"before": "2", "after": None}}),
        "6": ("insert", {"order_id": {"before": None, "after": "6"}, "status": {"before": None, "after": "new"},
                         "amount": {"before": None, "after": "6"}}),
    }  # fmt: skip
    newest = shop.json("diff", "orders", "--samples", "0")
    assert newest["records"] == {"insert": 1, "update": 1, "delete": 1} and newest["samples"] == []
    assert newest["fields"] == {"amount": 1, "status": 1}
    assert (newest["from"]["batch_id"], newest["to"]["batch_id"]) == (second, third)
    nothing = shop.json("diff", "orders", "--from", third)
    assert nothing["records"] == {"insert": 0, "update": 0, "delete": 0} and nothing["fields"] == {}
    text = shop.said("diff", "orders", "--from", first)
    assert "updated 1 record" in text and "amount: 1 update" in text
    assert "later than --to" in shop.said("diff", "orders", "--from", third, "--to", first, expect=2)
    assert "first capture" in shop.said("diff", "orders", "--to", first, expect=2)


def test_a_relation_is_written_as_it_stood(shop: Shop) -> None:
    told = shop.json("as-of", "orders", shop.batches[0][:13], "--into", "orders_then")

    assert [row[:3] for row in shop.table("orders_then")] == [
        (1, "new", pytest.approx(10.5)), (2, "new", pytest.approx(2)), (4, "new", pytest.approx(4)),
        (5, "new", pytest.approx(5)),
    ]  # fmt: skip
    assert told["ignored"] == ["seen"] and told["rows"] == 4 and told["captures_replayed"] == [2, 3]
    types = "select column_name, data_type from information_schema.columns where table_name = '%s' order by 1"
    assert shop.project.query(types % "orders_then") == shop.project.query(types % "orders")

    refused = shop.said("as-of", "orders", shop.batches[1], "--into", "orders_then", expect=2)
    assert "exists" in refused and "--replace" in refused and len(shop.table("orders_then")) == 4
    text = shop.said("as-of", "orders", shop.batches[1], "--into", "shop.orders_then", "--replace")
    assert "seen: the value of the last logged change" in text and "starts with capture 1" in text
    assert [row[0] for row in shop.table("orders_then")] == [1, 3, 4, 5]

    at = "2999-01-01T00:00:00Z"
    assert shop.json("as-of", "orders", at, "--into", "orders_now")["captures_replayed"] == []
    assert shop.table("orders_now") == shop.table("orders")


def test_both_ways_give_the_same_table(shop: Shop) -> None:
    for number, batch in enumerate(shop.batches):
        undone = shop.json("as-of", "lines", batch, "--into", f"undone_{number}")
        made = shop.json("as-of", "lines", batch, "--into", f"made_{number}", "--from-baseline")
        assert (undone["way"], made["way"]) == ("undo", "baseline")
        assert shop.table(f"undone_{number}") == shop.table(f"made_{number}")
        assert len(shop.table(f"made_{number}")) == (2, 2, 1)[number]


def test_as_of_refuses_what_it_cannot_tell(shop: Shop) -> None:
    first = shop.batches[0]
    assert "starts with capture 1" in shop.said("as-of", "orders", "2001-01-01", "--into", "x", expect=2)
    assert "neither a batch nor a time" in shop.said("as-of", "orders", "soon", "--into", "x", expect=2)
    assert "itself" in shop.said("as-of", "orders", first, "--into", "orders", "--replace", expect=2)
    audit = f"{shop.project.target.audit_schema}.audit_event"
    assert "audit store" in shop.said("as-of", "orders", first, "--into", audit, "--replace", expect=2)
    assert "no baseline" in shop.said("as-of", "orders", first, "--into", "x", "--from-baseline", expect=2)
    assert shop.project.query("select 1 from information_schema.tables where table_name = 'x'") == []


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_gaps_erasure_and_changes_without_the_audit_are_found(
    engine: str, forks: Forks, tmp_path: Path
) -> None:
    with built(engine, forks, tmp_path) as shop:
        first, second, third = shop.batches
        was = shop.table("orders")

        def refused(*extra: str, model: str = "orders", batch: str = first) -> str:
            return shop.said("as-of", model, batch, "--into", "x", "--replace", *extra, expect=2)

        shop.project.query("update \"shop\".orders set status = 'odd' where order_id = 1")
        assert "1 have other values" in refused()
        shop.project.query("update \"shop\".orders set status = 'new' where order_id = 1")
        shop.project.query('delete from "shop".orders where order_id = 6')
        assert "1 records are missing" in refused()
        shop.project.query('delete from "shop".orders where order_id = 5')
        shop.project.query("insert into \"shop\".orders select 6, 'new', 6.00, 3")
        assert "4 rows, and replaying gives 3" in refused()
        shop.project.query("insert into \"shop\".orders select 5, 'new', 5.00, 3")
        assert shop.table("orders") == was
        shop.said("as-of", "orders", first, "--into", "x", "--replace")

        shop.project.audit(
            "delete from {audit}.audit_payload where event_id in (select event_id from {audit}.audit_event"
            f" where record_id = '1|a~1b' and batch_id = '{second}')"
        )
        assert "erased" in refused(model="lines")
        assert [v["values_erased"] for v in shop.json("history", "lines", "1|a~1b")["versions"]] == [
            False, True, False,
        ]  # fmt: skip

        # Repeated keys pass with a warning: what that build changed is not known.
        dark = shop.build("(1, 'x', 1.00, 1), (1, 'y', 1.00, 1)", meta=", 'audit_on_error': 'warn'")
        assert "was not captured" in refused() and "was not captured" in refused(batch=dark)
        assert "was not captured" in shop.said("history", "orders", "1")
        last = shop.build("(1, 'x', 1.00, 1)")
        assert "was not captured" in refused(batch=third)
        assert "was not captured" in shop.said("diff", "orders", "--from", first, "--to", last, expect=2)

        shop.project.audit(
            "delete from {audit}.audit_event where event_type = 'checkpoint' and part = 'model.shop.lines'"
            f" and batch_id = '{second}'"
        )
        assert "capture 2 is missing" in refused("--from-baseline", model="lines", batch=third)
        shop.project.query('drop table "shop".lines')
        assert "not there any more" in refused(model="lines", batch=last)
