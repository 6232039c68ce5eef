"""What cannot be told is said, nothing is raised, and size does not matter."""

import pickle

import pytest

from batch_audit.lineage import Schema, column_lineage
from tests.unit.lineage.cases import SCHEMA, expected, written

HARMLESS = [
    (
        "snowflake",
        "select $1:a::int as x, t.$3 as y from @stage t",
        {"@stage.$1 > x TRANSFORMATION", "@stage.$3 > y IDENTITY"},
    ),
    ("duckdb", "select * from read_csv('f.csv')", {"f.csv.* > * IDENTITY"}),
    ("duckdb", "select * from m", {"m.* > * IDENTITY"}),
    (
        "duckdb",
        "select *, 1 as one, m.q as q from m join n on m.k = n.k",
        {"m.* > * IDENTITY", "n.* > * IDENTITY", "m.q > q IDENTITY", "m.k > . JOIN", "n.k > . JOIN"},
    ),
    ("duckdb", "insert into w (p, q, r) select *, a from m", {"m.* > * IDENTITY", "m.a > r IDENTITY"}),
    ("postgres", "select a as x, x + 1 as y from m", {"m.a > x IDENTITY", "m.x > y TRANSFORMATION"}),
    (
        "duckdb",
        "with c as (select * from m), d as (select *, z + 1 as w from c) select w, q from d",
        {"m.z > w TRANSFORMATION", "m.q > q IDENTITY"},
    ),
]


@pytest.mark.parametrize(("dialect", "sql", "wanted"), HARMLESS)
def test_without_a_schema_the_certain_edges_are_there(dialect, sql, wanted):
    found = column_lineage(sql, dialect=dialect)
    assert {
        edge for target in {edge.target for edge in found.edges} for edge in written(found, target)
    } == wanted


GAPS = [
    ("duckdb", "select * from m", None, ("*", "the columns of m are not known")),
    ("duckdb", "select x from m join n on m.k = n.k", None, ("x", "x may come from any of: m, n")),
    ("duckdb", "select t.zz from t", "t.zz > zz IDENTITY", ("zz", "the schema lists no column zz in t")),
    ("duckdb", "select zz from t", "", ("zz", "no relation here has a column zz")),
    ("duckdb", "select q.a from t", "", ("a", "no relation here is called q")),
    ("duckdb", "with c as (select a from t) select c.b from c", "", ("b", "c has no column b")),
    (
        "snowflake",
        "select a as x, x + 1 as y from m",
        None,
        ("y", "x is taken for the alias; it may be a column of m"),
    ),
    (
        "duckdb",
        "select a from t union all select a, b from t",
        None,
        (None, "the arms of a set operation have 1 and 2 columns"),
    ),
    (
        "duckdb",
        "pivot t on b using sum(c)",
        None,
        ("*", "the names of the pivoted columns depend on the data"),
    ),
    (
        "snowflake",
        "select x from table(my_own(1))",
        None,
        ("x", "what the function my_own reads is not known"),
    ),
    ("duckdb", "select from where )", "", (None, "the SQL could not be parsed: ")),
    ("nonsense", "select 1", "", (None, "the SQL could not be parsed: Unknown dialect 'nonsense'.")),
    ("duckdb", "select " + "(" * 3000 + "a" + ")" * 3000 + " from t", "", (None, "nested too deeply")),
]


@pytest.mark.parametrize(("dialect", "sql", "wanted", "gap"), GAPS, ids=lambda value: str(value)[:60])
def test_what_cannot_be_told_is_said(dialect, sql, wanted, gap):
    column, reason = gap
    found = column_lineage(sql, dialect=dialect, schema=SCHEMA)
    if wanted is not None:
        assert written(found) == expected(wanted)
    assert [item for item in found.unknown if item.target_column == column and reason in item.reason]
    assert all(isinstance(item.sql, str) for item in found.unknown)


def test_a_long_union_over_a_wide_table_shares_its_columns():
    wide = {"w": [f"c{place}" for place in range(200)]}
    found = column_lineage(" union all ".join(["select * from w"] * 5000), dialect="duckdb", schema=wide)
    assert written(found) == {f"w.{name} > {name} IDENTITY" for name in wide["w"]}


def test_ten_thousand_lines_are_read():
    items = ",\n".join(f"case when a > {place} then b else c end as x{place}" for place in range(10_000))
    assert len(column_lineage(f"select\n{items}\nfrom t", dialect="duckdb", schema=SCHEMA).edges) == 30_000


def test_a_chain_of_ctes_keeps_no_stack():
    chain = "".join(f", x{n} as (select a, b from x{n - 1} where a > {n})" for n in range(1, 800))
    found = column_lineage(
        f"with x0 as (select * from t){chain} select a from x799", dialect="duckdb", schema=SCHEMA
    )
    assert written(found) == {"t.a > a IDENTITY", "t.a > . FILTER"}


def test_an_answer_travels_between_processes_with_its_texts():
    found = column_lineage("select a + b as x from t where c > 1", dialect="duckdb", schema=SCHEMA)
    travelled = pickle.loads(pickle.dumps(found))  # noqa: S301 (our own bytes)
    assert travelled == found
    assert {(edge.source_column, edge.expression) for edge in travelled.edges} == {
        ("a", "a + b"), ("b", "a + b"), ("c", "WHERE c > 1"),
    }  # fmt: skip


def test_a_schema_made_once_is_not_changed_by_a_script():
    schema = Schema(SCHEMA)
    column_lineage("create table t (z int); select z from t", dialect="duckdb", schema=schema)
    assert written(column_lineage("select * from t", dialect="duckdb", schema=schema)) == {
        f"t.{name} > {name} IDENTITY" for name in SCHEMA["t"]
    }
