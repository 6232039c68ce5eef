"""`batch-audit trace` on a project of every kind of node: each record's sources are those that plain queries give."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batch_audit.trace.answer import Answer, answer
from batch_audit.trace.result import Direction
from batch_audit.trace.start import codes_on_record
from batch_audit.trace.walk import Wanted
from tests.support.browser import overflow, require_browser
from tests.support.forked import Forks
from tests.support.page import faults, parsed
from tests.support.project import DISPATCH, Project, write_project
from tests.support.trail import database

pytestmark = pytest.mark.slow

CAPTURED = "{{{{ config(materialized='{}', meta={{'audit_capture': 'changes', 'audit_key': {}}}) }}}}\n"
TABLE = "{{ config(materialized='table') }}\n"
FILES = {
    "seeds/regions.csv": "region,title\nn,North\ns,South\n",
    "models/stg_orders.sql": (
        "{{ config(materialized='view') }}\nselect id as order_id, customer_id, cast(day as date) as day, amount,"
        " status from {{ source('raw', 'orders') }}"
    ),
    "models/stg_customers.sql": (
        "{{ config(materialized='ephemeral') }}\nselect id as customer_id, upper(name) as name, region"
        " from {{ source('raw', 'customers') }}"
    ),
    "models/orders.sql": CAPTURED.format("table", "'order_id'") + (
        "select o.order_id, o.customer_id, o.day, o.amount, o.status, c.name, r.title"
        " from {{ ref('stg_orders') }} as o join {{ ref('stg_customers') }} as c on c.customer_id = o.customer_id"
        " left join {{ ref('regions') }} as r on r.region = c.region"
    ),
    "models/revenue.sql": CAPTURED.format("table", "'customer_id'") + (
        "select customer_id, sum(amount) as amount, count(*) as n from {{ ref('orders') }} where status <> 'void'"
        " group by customer_id"
    ),
    "models/days.sql": CAPTURED.format("table", "'day'") + "select distinct day from {{ ref('orders') }}",
    "models/parties.sql": CAPTURED.format("table", "['kind', 'id']") + (
        "select 'customer' as kind, cast(customer_id as text) as id from {{ ref('revenue') }}"
        " union all select 'region', region from {{ ref('regions') }}"
    ),
    "models/ranked.sql": CAPTURED.format("table", "'order_id'") + (
        "select order_id, row_number() over (partition by customer_id order by day, order_id) as place"
        " from {{ ref('orders') }}"
    ),
    "models/big.sql": CAPTURED.format("table", "'customer_id'") + (
        "select customer_id, amount from {{ ref('revenue') }} where customer_id in"
        " (select customer_id from {{ ref('orders') }} where amount >= 50)"
    ),
    "models/log.sql": CAPTURED.format("incremental", "'order_id'") + (
        "select order_id, customer_id, day, amount from {{ ref('stg_orders') }}"
        "{% if is_incremental() %} where day > (select max(day) from {{ this }}){% endif %}"
    ),
    "models/plain_log.sql": (
        "{{ config(materialized='incremental', meta={'audit_key': 'order_id'}) }}\nselect order_id, amount"
        " from {{ ref('stg_orders') }}"
        "{% if is_incremental() %} where order_id > (select max(order_id) from {{ this }}){% endif %}"
    ),
    "models/kept_now.sql": CAPTURED.format("table", "'order_id'") + (
        "select order_id, status from {{ ref('kept') }} where dbt_valid_to is null"
    ),
    "models/stored.sql": "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'order_id',"
    " 'audit_lineage': 'records'}) }}\nselect order_id, amount from {{ ref('stg_orders') }}",
    "models/loose.sql": TABLE + "select customer_id, day from {{ ref('orders') }}",
    "models/summary.sql": "{{ config(materialized='view') }}\nselect customer_id, n from {{ ref('revenue') }}",
    "snapshots/kept.yml": """
snapshots:
  - name: kept
    relation: ref('orders')
    config: {strategy: check, check_cols: [status], unique_key: order_id}
""",
    "models/schema.yml": """
version: 2
sources:
  - name: raw
    schema: raw
    tables:
      - name: orders
        config: {meta: {audit_key: id}}
      - name: customers
        columns: [{name: id, data_tests: [unique, not_null]}]
seeds:
  - name: regions
    columns: [{name: region, data_tests: [unique, not_null]}]
models:
  - name: summary
    columns: [{name: customer_id, data_tests: [unique, not_null]}]
""",
}  # fmt: skip
PYTHON = {
    "models/copied.py": "def model(dbt, session):\n    dbt.config(meta={'audit_key': 'order_id'})\n"
    "    return dbt.ref('orders')\n"
}
RAW = (
    "create schema raw",
    "create table raw.customers (id int, name text, region text)",
    "insert into raw.customers values (1, 'ada', 'n'), (2, 'bob', 's'), (3, 'cy', 'x')",
    "create table raw.orders (id int, customer_id int, day text, amount numeric(10, 2), status text)",
    "insert into raw.orders values (10, 1, '2026-01-01', 20, 'paid'), (11, 1, '2026-01-02', 60, 'paid'),"
    " (12, 2, '2026-01-02', 5, 'void'), (13, 2, '2026-01-03', 7, 'paid'), (14, 3, '2026-01-03', 50, 'paid')",
)
LATER = (
    "update raw.orders set status = 'void' where id = 13",
    "insert into raw.orders values (15, 2, '2026-01-04', 9, 'paid'), (16, 3, '2026-01-05', 80, 'paid')",
)
SOURCE_ORDERS, SOURCE_CUSTOMERS = "source.shop.raw.orders", "source.shop.raw.customers"
Ends = dict[str, set[str]]


@dataclass(frozen=True)
class Shop:
    """A project after two builds, and the batch of each."""

    project: Project
    forks: Forks
    batches: tuple[str, str]

    def traced(self, model: str, key: str, direction: Direction = "upstream", **options: Any) -> Answer:
        """What the command answers, without a process of its own."""
        warehouse = self.project.warehouse()
        try:
            codes, origin = codes_on_record(warehouse, options.get("as_of"))
            named = {name: options.pop(name, None) for name in ("as_of", "to")}
            return answer(
                warehouse, codes, origin, model=model, key=key, named=(), wanted=[Wanted(direction, **options)],
                as_of=named["as_of"], to=named["to"],
            )  # fmt: skip
        finally:
            warehouse.close()

    def json(self, *args: str) -> Any:
        """What the command says to machines."""
        return json.loads(self.forks.batch_audit(self.project, "trace", *args, "--format", "json").stdout)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a plain query."""
        return [tuple(row.values()) for row in self.project.query(sql)]


@contextmanager
def built(engine: str, forks: Forks, folder: Path) -> Iterator[Shop]:
    with database(engine, folder) as target:
        files = FILES | (PYTHON if engine == "duckdb" else {})
        project = write_project(folder / "project", target, files=files, config={"dispatch": DISPATCH})
        batches = []
        for statements in (RAW, LATER):
            for statement in statements:
                project.query(statement)
            forks.batch_audit(project, "run", "--no-report", "--", "dbt", "build")
            newest = "select batch_id from {audit}.audit_segment order by opened_at desc limit 1"
            batches.append(str(project.audit(newest)[0]["batch_id"]))
        yield Shop(project, forks, (batches[0], batches[1]))


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def shop(
    request: pytest.FixtureRequest, forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """Tests leave it as it is."""
    with built(request.param, forks, tmp_path_factory.mktemp("trace")) as made:
        yield made


def ends(found: Answer, role: str | None = None) -> Ends:
    """The records that were met, by node, without the root; with `role`, only sources of edges of it."""
    met: Ends = {}
    for trace in found.traces:
        names = (
            {name for name in trace.records if name != trace.root.name}
            if role is None
            else {(e.source_node, e.source) for hop in trace.hops for e in hop.edges if e.role == role}
        )
        for node, record in names:
            met.setdefault(node, set()).add(record)
    return met


def labels(found: Answer) -> set[tuple[str, str]]:
    return {(hop.node.split(".")[-1], hop.label) for trace in found.traces for hop in trace.hops}


def orders_of(shop: Shop, where: str) -> Ends:
    """What an independent query says that orders come from."""
    rows = shop.rows(
        "select o.id as o, c.id as c, r.region from raw.orders as o join raw.customers as c on c.id = o.customer_id"
        f" left join shop.regions as r on r.region = c.region where {where}"
    )
    met: Ends = {}
    for order, customer, region in rows:
        met.setdefault(SOURCE_ORDERS, set()).add(str(order))
        met.setdefault(SOURCE_CUSTOMERS, set()).add(str(customer))
        if region is not None:
            met.setdefault("seed.shop.regions", set()).add(region)
    return met


def test_every_record_comes_from_the_rows_that_plain_queries_name(shop: Shop) -> None:
    orders = shop.rows("select id, customer_id, day, status from raw.orders")
    for order, _, _, _ in orders:
        expected = orders_of(shop, f"o.id = {order}")
        found = shop.traced("orders", str(order))
        assert ends(found) == expected
        assert labels(found) == {("orders", "exact")}
        assert ends(shop.traced("ranked", str(order)), "value") == expected | {
            "model.shop.orders": {str(order)}
        }
    for customer in {row[1] for row in orders}:
        counted = {str(o) for o, c, _, status in orders if c == customer and status != "void"}
        found = shop.traced("revenue", str(customer))
        expected = orders_of(shop, f"o.id in ({', '.join(counted)})") | {"model.shop.orders": counted}
        assert ends(found) == expected
        assert labels(found) == {("revenue", "exact"), ("orders", "exact")}
        assert ends(shop.traced("parties", f"customer|{customer}")) == expected | {
            "model.shop.revenue": {str(customer)}
        }
    for day in {row[2] for row in orders}:
        of_day = {str(o) for o, _, d, _ in orders if d == day}
        found = shop.traced("days", str(day))
        assert ends(found) == orders_of(shop, f"o.id in ({', '.join(of_day)})") | {
            "model.shop.orders": of_day
        }
    assert ends(shop.traced("parties", "region|n")) == {"seed.shop.regions": {"n"}}


def test_hashes_are_those_that_captures_logged(shop: Shop) -> None:
    """To the byte: the events of the second build against the hash of the present row."""
    logged = shop.project.audit(
        "select e.target, e.record_id, e.change_type, p.record_hash from {audit}.audit_event as e join"
        " {audit}.audit_payload as p on p.event_id = e.event_id where e.event_type = 'record_write'"
    )
    assert {row["target"].split(".")[-1] for row in logged} >= {"orders", "revenue", "log", "ranked", "days"}
    checked = 0
    for row in logged:
        if row["change_type"] == "delete":
            continue
        root = shop.traced(row["target"], row["record_id"], depth=1).root
        if row["change_type"] == "update" or root.written.batch_id == shop.batches[1]:
            assert (root.hash, root.logged, root.state) == (
                row["record_hash"],
                row["record_hash"],
                "as logged",
            )
            checked += 1
    assert checked >= 8


def test_who_wrote_a_record_is_from_the_log_or_said_not_to_be(shop: Shop) -> None:
    first, second = shop.batches
    basis = {
        (model, key): (root.written.basis, root.written.batch_id)
        for model, key in (
            ("orders", "13"),
            ("orders", "10"),
            ("log", "16"),
            ("loose", None),
            ("summary", "1"),
        )
        if key
        for root in [shop.traced(model, key, depth=1).root]
    }
    assert basis[("orders", "13")] == ("change log", second)
    assert basis[("orders", "10")] == ("first capture", first)
    assert basis[("log", "16")] == ("change log", second)
    assert basis[("summary", "1")] == ("view", None)
    source = shop.traced("raw.orders", "10", "downstream").root
    assert source.written.basis == "source"


def test_rows_that_only_decided_are_named_as_filters(shop: Shop) -> None:
    found = shop.traced("big", "1")
    assert ends(found, "filter") == {"model.shop.orders": {"11"}}
    assert ends(found, "value")["model.shop.revenue"] == {"1"}
    # They are followed on request only.
    assert not any(
        hop.node == "model.shop.orders" and "11" in hop.records
        for hop in shop.traced("big", "1", depth=1).traces[0].hops
    )
    followed = shop.traced("big", "3", filters=True)
    assert {"14", "16"} <= ends(followed)[SOURCE_ORDERS]


def test_an_increment_is_traced_by_the_code_and_the_inputs_of_its_batch(shop: Shop) -> None:
    for order in ("10", "13", "15", "16"):
        found = shop.traced("log", order)
        assert ends(found, "value") == {SOURCE_ORDERS: {order}}
        assert found.traces[0].hops[0].label in ("exact", "superset")
    old = shop.traced("log", "10").traces[0].hops[0]
    new = shop.traced("log", "15").traces[0].hops[0]
    assert (old.batch_id, new.batch_id) == shop.batches
    assert (old.label, new.label) == ("exact", "exact")
    # The increment was cut at what the model held before it.
    decided = {edge.source for edge in new.edges if edge.role == "filter" and edge.target is None}
    assert decided == {"10", "11", "12", "13", "14"}


def test_an_increment_that_is_not_captured_is_traced_without_its_condition(shop: Shop) -> None:
    for order in ("10", "15"):
        found = shop.traced("plain_log", order)
        assert ends(found) == {SOURCE_ORDERS: {order}}
        [hop] = found.traces[0].hops
        assert (hop.label, hop.doubts) == ("superset", {})
        assert "input changed since" in hop.reasons[-1]
        assert found.root.written.basis == "last build"


def test_a_snapshot_s_record_comes_from_the_row_with_its_key(shop: Shop) -> None:
    found = shop.traced("kept", "13", depth=1)
    assert ends(found) == {"model.shop.orders": {"13"}}
    assert labels(found) == {("kept", "exact")}
    through = shop.traced("kept_now", "13", depth=1)
    assert ends(through) == {"snapshot.shop.kept": {"13"}}
    assert labels(through) == {("kept_now", "exact")}


def test_downstream_names_every_record_that_holds_something_of_a_row(shop: Shop) -> None:
    found = ends(shop.traced("raw.orders", "11", "downstream"))
    assert found == {
        "model.shop.stg_orders": {"11|1|2026-01-02|60|paid"},
        "model.shop.orders": {"11"}, "model.shop.revenue": {"1"}, "model.shop.days": {"2026-01-02"},
        "model.shop.parties": {"customer|1"}, "model.shop.ranked": {"11"}, "model.shop.big": {"1"},
        "model.shop.log": {"11"}, "model.shop.stored": {"11"}, "model.shop.kept_now": {"11"},
        "model.shop.plain_log": {"11"},
        "model.shop.loose": {"1|2026-01-02"}, "model.shop.summary": {"1"}, "snapshot.shop.kept": {"11"},
    }  # fmt: skip
    # Everything that downstream names names the row again upstream.
    for node in ("orders", "revenue", "parties", "ranked", "big", "log", "kept_now"):
        for record in found[f"model.shop.{node}"]:
            assert "11" in ends(shop.traced(node, record))[SOURCE_ORDERS]


def test_a_python_model_is_unknown_and_says_so(shop: Shop) -> None:
    if shop.project.target.engine != "duckdb":
        pytest.skip("dbt-postgres runs no Python models")
    [hop] = shop.traced("copied", "10").traces[0].hops
    assert (hop.label, hop.edges) == ("unknown", ())
    assert "Python model" in hop.reasons[0]
    below = shop.traced("orders", "10", "downstream")
    assert ("copied", "unknown") in labels(below)


def test_only_paths_to_a_source_and_only_so_deep(shop: Shop) -> None:
    found = shop.traced("revenue", "1", to="raw.customers")
    assert ends(found) == {"model.shop.orders": {"10", "11"}, SOURCE_CUSTOMERS: {"1"}}
    down = shop.traced("raw.orders", "11", "downstream", to="parties")
    assert ends(down) == {
        "model.shop.orders": {"11"}, "model.shop.revenue": {"1"}, "model.shop.parties": {"customer|1"},
    }  # fmt: skip
    near = shop.traced("revenue", "1", depth=1)
    assert ends(near) == {"model.shop.orders": {"10", "11"}}
    assert near.traces[0].cut == ("--depth 1 ends at orders",)


def test_what_is_not_listed_is_counted(shop: Shop) -> None:
    [hop] = shop.traced("revenue", "1", depth=1, limit=1).traces[0].hops
    assert [edge.source for edge in hop.edges] == ["10"]
    assert hop.left_out == {("1", "model.shop.orders", "value"): 1}


def test_as_of_a_batch_the_record_and_its_sources_are_those_of_then(shop: Shop) -> None:
    first, _ = shop.batches
    then = shop.traced("revenue", "2", as_of=first)
    assert ends(then)["model.shop.orders"] == {"13"}
    now = shop.traced("revenue", "2")
    assert ends(now)["model.shop.orders"] == {"15"}
    assert then.root.hash != now.root.hash
    [refused] = [shop.forks.batch_audit(shop.project, "trace", "orders", "15", "--as-of", first, expect=2)]
    assert f"no record '15' (order_id) as of batch {first}" in " ".join(refused.stderr.split())


def test_errors_say_what_is_near_and_what_to_do(shop: Shop) -> None:
    said = {}
    for args in (
        ("orders", "1"), ("orders", "abc"), ("ordres", "1"), ("loose", "1"), ("revenue", "1", "--to", "revenue"),
        ("orders", "13", "--as-of", "nobatch"),
    ):  # fmt: skip
        done = shop.forks.batch_audit(shop.project, "trace", *args, expect=2)
        assert (done.stdout, "Traceback" in done.stderr) == ("", False)
        said[args[:2]] = " ".join(done.stderr.split())
    assert "orders has no record '1' (order_id); it has 7." in said["orders", "1"]
    assert "Near are: '10', '11', '12'." in said["orders", "1"]
    assert "orders has no record 'abc'" in said["orders", "abc"]
    assert "Did you mean" in said["ordres", "1"]
    assert "meta: {audit_key: [...]}" in said["loose", "1"]
    assert "is the model itself" in said["revenue", "1"]


def test_the_command_says_the_same_to_people_and_to_machines(shop: Shop) -> None:
    told = shop.json("revenue", "1")
    assert told["asked"] == {
        "node": "model.shop.revenue", "record_id": "1", "directions": ["upstream"], "to": None, "depth": None,
        "as_of": None, "limit": 10_000, "filters": False,
    }  # fmt: skip
    assert told["record"]["key"] == {"customer_id": "1"}
    assert (told["from"]["kind"], told["upstream"]["not_followed"]) == ("store", [])
    by_node = {hop["node"]: hop for hop in told["upstream"]["hops"]}
    assert (by_node["model.shop.revenue"]["step"], by_node["model.shop.orders"]["step"]) == (
        "aggregate",
        "join",
    )
    assert by_node["model.shop.orders"]["via"] == ["model.shop.stg_orders"]
    assert told == shop.json("revenue", "--key", "customer_id=1")
    tree = shop.forks.batch_audit(shop.project, "trace", "revenue", "1").stdout
    for record in told["upstream"]["records"]:
        assert record["hash"][:12] in tree
    # dbt's own artifacts tell the same as what the run recorded of them.
    from_manifest = shop.json("revenue", "1", "--manifest")
    assert from_manifest["from"]["kind"] == "manifest"
    by_edges = [[hop["edges"] for hop in one["upstream"]["hops"]] for one in (told, from_manifest)]
    assert by_edges[0] == by_edges[1]
    csv = shop.forks.batch_audit(shop.project, "trace", "revenue", "1", "--format", "csv").stdout
    assert csv.count("\n") == 1 + sum(len(hop["edges"]) for hop in told["upstream"]["hops"])


def test_the_page_is_sound_and_fits_a_phone(shop: Shop, tmp_path: Path) -> None:
    require_browser()
    page = tmp_path / "trace.html"
    for args in (
        ("revenue", "1"),
        ("raw.orders", "11", "--downstream", "--upstream"),
        ("big", "3", "--filters"),
    ):
        shop.forks.batch_audit(shop.project, "trace", *args, "--format", "html", "--out", str(page))
        assert faults(parsed(page.read_text(encoding="utf-8"))) == []
        assert [overflow(page, width, tmp_path) for width in (1280, 360)] == [0, 0]
