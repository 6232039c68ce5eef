"""Traces over relations made by hand: keys of every type, names that need quotes, and keys that are none."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.ledger.text import record_id
from batch_audit.lineage.code import NodeCode
from batch_audit.lineage.explore.known import Origin
from batch_audit.reports.text import record_key
from batch_audit.trace.answer import Answer, answer
from batch_audit.trace.reader import Reader
from batch_audit.trace.result import Direction
from batch_audit.trace.step import Ask, prepare, read_hop
from batch_audit.trace.walk import Wanted
from batch_audit.warehouses import Warehouse
from tests.support.project import Project

SOURCE, MODEL, TOP = "source.shop.raw.things", "model.shop.things", "model.shop.top"
VALUES = {
    "integer": ("7", "-1", "0"),
    "bigint": ("9007199254740993", "1"),
    "text": (
        "a", "A", "a|b", "~0", "~N", "it''s", " x ", "", "naïve 🙂", "%(batch_audit_key_0)s", " = $batch_audit_key_0",
    ),
    "date": ("2026-01-31", "1999-12-31"),
    "timestamp": ("2026-01-31 05:00:00.123456", "2026-01-31 05:00:00"),
    "timestamp with time zone": ("2026-01-31 05:00:00+02", "2026-01-31 05:00:00+00"),
    "numeric(12, 3)": ("12.500", "-0.001", "100"),
    "boolean": ("true", "false"),
    "uuid": ("0f6d1c9e-0000-4000-8000-000000000001",),
    "double precision": ("0.1", "1e300"),
}  # fmt: skip


@pytest.fixture
def opened(make_project: Callable[..., Project]) -> Iterator[Warehouse]:
    warehouse = make_project(installed=False, hook=False).warehouse()
    try:
        yield warehouse
    finally:
        warehouse.close()


def codes(
    warehouse: Warehouse, sql: str, key: tuple[str, ...], top: str | None = None
) -> dict[str, NodeCode]:
    """A source, a model of it, and maybe one on top of that."""
    place = (warehouse.database, "shop")
    dialect = warehouse.engine
    found = [
        NodeCode(SOURCE, (*place, "raw things"), "source", key=key),
        NodeCode(MODEL, (*place, "things"), "table", dialect, sql=sql, key=key, inputs=(SOURCE,)),
    ]
    if top is not None:
        found.append(NodeCode(TOP, (*place, "top"), "table", dialect, sql=top, key=("n",), inputs=(MODEL,)))
    return {code.node: code for code in found}


def make(warehouse: Warehouse, raw: str, sql: str, top: str | None = None) -> None:
    warehouse.execute("create schema if not exists shop")
    warehouse.execute(f'create table shop."raw things" as {raw}')
    warehouse.execute(f"create table shop.things as {sql}")
    if top is not None:
        warehouse.execute(f"create table shop.top as {top}")


def traced(
    warehouse: Warehouse, known: dict[str, NodeCode], model: str, key: str, direction: Direction = "upstream",
    **options: Any,
) -> Answer:  # fmt: skip
    return answer(
        warehouse, known, Origin("sql", "here"), model=model, key=key, named=(), as_of=None, to=None,
        wanted=[Wanted(direction, **options)],
    )  # fmt: skip


@pytest.mark.parametrize("kind", list(VALUES))
def test_keys_of_every_type_are_found_both_ways(opened: Warehouse, kind: str) -> None:
    rows = " union all ".join(
        f"select cast('{value}' as {kind}) as k, {n} as v" for n, value in enumerate(VALUES[kind])
    )
    sql = 'select k as "The Key", v from shop."raw things"'
    make(opened, rows, sql)
    known = codes(opened, sql, ("The Key",))
    known[SOURCE] = replace(known[SOURCE], key=("k",))
    text = opened.values.canonical_text('t."The Key"', Reader(opened, known).columns(MODEL)[0].type)
    ids = [record_id([row["id"]]) for row in opened.query(f"select {text} as id from shop.things as t")]
    assert len(set(ids)) == len(VALUES[kind])
    for one in ids:
        plain = record_key(one)[0] or ""
        up = traced(opened, known, "things", plain)
        assert [(edge.target, edge.source) for edge in up.traces[0].hops[0].edges] == [(one, one)]
        assert (up.traces[0].hops[0].label, up.traces[0].hops[0].doubts) == ("exact", {})
        down = traced(opened, known, "raw.things", plain, "downstream")
        assert [(edge.target, edge.source) for edge in down.traces[0].hops[0].edges] == [(one, one)]


def test_keys_of_several_columns_and_a_level_of_many_records(opened: Warehouse) -> None:
    numbers = "range(3000) as r(i)" if opened.engine == "duckdb" else "generate_series(0, 2999) as r(i)"
    sql = 'select a, b, v from shop."raw things"'
    top = "select v as n, count(*) as c from shop.things group by v"
    raw = "select cast(floor(i / 10.0) as integer) as a, cast(i % 10 as text) as b, i % 2 as v"
    make(opened, f"{raw} from {numbers}", sql, top)
    known = codes(opened, sql, ("a", "b"), top)
    found = traced(opened, known, "top", "1")
    assert len(found.traces[0].records) == 1 + 1500 + 1500
    first, second = found.traces[0].hops
    assert (first.label, second.label, second.doubts) == ("exact", "exact", {})
    # What a record that is asked for alone comes from is what it comes from among many.
    alone = traced(opened, known, "things", "7|3").traces[0].hops[0]
    assert [edge.source for edge in alone.edges] == ["7|3"]
    assert {(e.target, e.source) for e in second.edges} == {(e, e) for e in second.records}
    cut = traced(opened, known, "top", "1", limit=100)
    assert cut.traces[0].hops[0].left_out == {("1", MODEL, "value"): 1400}
    assert len(cut.traces[0].hops[1].edges) == 100


def test_a_key_that_is_declared_and_not_unique_is_not_exact(opened: Warehouse) -> None:
    sql = 'select k, v from shop."raw things"'
    make(opened, "select 1 as k, 1 as v union all select 1, 2 union all select 2, 3", sql)
    known = codes(opened, sql, ("k",))
    twice = traced(opened, known, "things", "1")
    assert twice.root.rows == 2
    [hop] = twice.traces[0].hops
    assert hop.label == "superset"
    assert any("is not unique" in reason for reason in hop.reasons)
    assert traced(opened, known, "things", "2").traces[0].hops[0].label == "exact"


def test_without_a_key_records_are_named_by_all_their_columns(opened: Warehouse) -> None:
    sql = 'select k, v from shop."raw things"'
    make(opened, "select 1 as k, cast(null as text) as v union all select 2, '~'", sql)
    known = codes(opened, sql, ())
    with pytest.raises(ConfigurationError, match="audit_key"):
        traced(opened, known, "things", "1")
    known[MODEL] = replace(known[MODEL], key=("k",))
    [hop] = traced(opened, known, "things", "1").traces[0].hops
    assert [edge.source for edge in hop.edges] == ["1|~N"]
    assert hop.label == "superset"
    assert "raw.things has no key" in hop.reasons[0] and "audit_key" in hop.reasons[0]
    found = traced(opened, known, "things", "2").traces[0]
    assert found.records[SOURCE, "2|~0"].hash is not None


def test_a_record_of_no_input_is_told_from_one_that_is_made_no_more(opened: Warehouse) -> None:
    sql = 'select count(*) as n, sum(v) as s from shop."raw things" where k > 5'
    make(opened, "select 1 as k, 1 as v", sql)
    known = codes(opened, sql, ("n",))
    known[SOURCE] = replace(known[SOURCE], key=("k",))
    [hop] = traced(opened, known, "things", "0").traces[0].hops
    assert (hop.edges, hop.label, hop.doubts) == ((), "exact", {})
    opened.execute('insert into shop."raw things" values (6, 2)')
    [changed] = traced(opened, known, "things", "0").traces[0].hops
    assert "does not give it any more" in changed.doubts["0"]
    assert changed.label_of("0") == "unknown"


def test_a_view_an_unreadable_model_and_a_relation_from_elsewhere(opened: Warehouse) -> None:
    sql = 'select t.k, t.v from shop."raw things" as t join shop.elsewhere as e on e.k = t.k'
    opened.execute("create schema if not exists shop")
    opened.execute("create table shop.elsewhere as select 1 as k")
    make(opened, "select 1 as k, 1 as v", sql)
    known = codes(opened, sql, ("k",))
    [hop] = traced(opened, known, "things", "1").traces[0].hops
    assert (hop.label, hop.edges) == ("unknown", ())
    assert "elsewhere" in hop.reasons[0]
    known[MODEL] = replace(known[MODEL], sql="select this is no sql")
    assert traced(opened, known, "things", "1").traces[0].hops[0].label == "unknown"
    known[MODEL] = replace(known[MODEL], sql=sql, hidden=True)
    assert "secret" in traced(opened, known, "things", "1").traces[0].hops[0].reasons[0]


def test_sql_that_the_warehouse_refuses_is_a_hop_that_is_not_known(opened: Warehouse) -> None:
    sql = 'select k, v from shop."raw things"'
    make(opened, "select 1 as k, 1 as v", sql)
    known = codes(opened, f"{sql} where no_such_function(k) > 1", ("k",))
    [hop] = traced(opened, known, "things", "1").traces[0].hops
    assert hop.label == "unknown"
    assert "the warehouse refused" in hop.reasons[-1]
    # The next query of the same connection still works.
    assert traced(opened, codes(opened, sql, ("k",)), "things", "1").traces[0].hops[0].label == "exact"


def test_columns_whose_type_has_no_equality_do_not_hinder_a_trace(opened: Warehouse) -> None:
    sql = 'select k, body, v from shop."raw things"'
    make(opened, """select 1 as k, cast('{"a": [1, 2]}' as json) as body, 5 as v""", sql)
    known = codes(opened, sql, ("k",))
    [hop] = traced(opened, known, "things", "1").traces[0].hops
    assert ([edge.source for edge in hop.edges], hop.label) == (["1"], "exact")
    down = traced(opened, known, "raw.things", "1", "downstream").traces[0].hops
    assert [(edge.target, one.label) for one in down for edge in one.edges] == [("1", "exact")]


def test_a_key_of_another_type_in_the_query_than_in_the_relation(opened: Warehouse) -> None:
    sql = 'select cast(k as text) as k, v from shop."raw things"'
    make(opened, "select 1 as k, 5 as v union all select 2, 6", 'select k, v from shop."raw things"')
    known = codes(opened, sql, ("k",))
    [hop] = traced(opened, known, "things", "2").traces[0].hops
    assert ([edge.source for edge in hop.edges], hop.label, hop.doubts) == (["2"], "exact", {})


def test_keys_that_no_record_can_have_are_refused_in_words(opened: Warehouse) -> None:
    sql = 'select k, v from shop."raw things"'
    make(opened, "select 'a' as k, 5 as v", sql)
    known = codes(opened, sql, ("k",))
    for key in ("a\0b", "\udcff", "'; drop table shop.things; --", "a" * 100_000, ""):
        with pytest.raises(ConfigurationError, match="has no record"):
            traced(opened, known, "things", key)
    assert opened.query("select count(*) as n from shop.things") == [{"n": 1}]


def test_a_hop_is_one_query_however_many_records_it_is_for(
    opened: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = 'select k, v from shop."raw things"'
    rows = " union all ".join(f"select {n} as k, {n} as v" for n in range(50))
    make(opened, rows, sql)
    known = codes(opened, sql, ("k",))
    reader = Reader(opened, known)
    counts = []
    for ids in (("1",), tuple(map(str, range(50)))):
        ready = prepare(reader, MODEL, None)
        asked: list[str] = []
        query = opened.query
        with monkeypatch.context() as patched:
            patched.setattr(opened, "query", lambda text, q=query, a=asked: a.append(text) or q(text))  # type: ignore[misc]
            hop = read_hop(reader, ready, Ask(ids, 100))
        assert {edge.source for edge in hop.edges} == set(ids)
        counts.append(len(asked))
    assert counts == [1, 1]


def test_an_input_without_rows_and_one_that_is_missing(opened: Warehouse) -> None:
    sql = 'select k, v from shop."raw things"'
    make(opened, "select 1 as k, 1 as v", sql)
    known = codes(opened, sql, ("k",))
    opened.execute('delete from shop."raw things"')
    [hop] = traced(opened, known, "things", "1").traces[0].hops
    assert "does not give it any more" in hop.doubts["1"]
    opened.execute('drop table shop."raw things"')
    [gone] = traced(opened, known, "things", "1").traces[0].hops
    assert (gone.label, gone.edges) == ("unknown", ())
    with pytest.raises(ConfigurationError, match="is not in the database"):
        traced(opened, known, "raw.things", "1", "downstream")
