"""Structs, arrays of structs, positions and rows of arrays, in the spelling of several engines."""

import pytest

from batch_audit.lineage import column_lineage
from tests.unit.lineage.cases import expected, written

SCHEMA = {
    "t": {
        "id": "int",
        "a": "array<struct<x:int,y:string>>",
        "st": "struct<p:int,q:struct<z:string>>",
        "b": "int",
    },
    "w": {"s": "STRUCT(a INTEGER, b VARCHAR)", "n": "INTEGER[]"},
    "k": {"s": "STRUCT<a INT64, b STRING>"},
    "h": ["id", "a", "b", "c"],
}

CASES = [
    ("spark", "select e.x from t lateral view explode(a) v as e", "t.a.x > x TRANSFORMATION; t.a > . JOIN"),
    ("spark", "select st.* from t", "t.st.p > p IDENTITY; t.st.q > q IDENTITY"),
    ("spark", "select st.q.* from t", "t.st.q.z > z IDENTITY"),
    ("bigquery", "select s.* from k", "k.s.a > a IDENTITY; k.s.b > b IDENTITY"),
    ("duckdb", "select s.* from w", "w.s.a > a IDENTITY; w.s.b > b IDENTITY"),
    ("duckdb", "select unnest(s) from w", "w.s.a > a IDENTITY; w.s.b > b IDENTITY"),
    ("duckdb", "select unnest(n) as i from w", "w.n > i TRANSFORMATION; w.n > . JOIN"),
    (
        "duckdb",
        "select p, q from (select unnest({'p': a, 'q': b + 1}) from h)",
        "h.a > p IDENTITY; h.b > q TRANSFORMATION",
    ),
    ("duckdb", "select #2 as k from h order by #1", "h.a > k IDENTITY; h.id > . SORT"),
    (
        "clickhouse",
        "select id, z, y from h final left array join [a, 2] as z, b as y prewhere c > 1",
        "h.id > id IDENTITY; h.a > z TRANSFORMATION; h.b > y TRANSFORMATION;"
        " h.a > . JOIN; h.b > . JOIN; h.c > . FILTER",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "sql", "wanted"), CASES)
def test_fields_and_elements_keep_their_way(dialect: str, sql: str, wanted: str) -> None:
    lineage = column_lineage(sql, dialect=dialect, schema=SCHEMA)
    assert written(lineage) == expected(wanted)
    assert lineage.unknown == ()


@pytest.mark.parametrize(
    ("dialect", "sql", "edge"),
    [
        ("spark", "select b.* from t", "t.b > * IDENTITY"),
        ("postgres", "select (b).* from t", "t.b > * IDENTITY"),
    ],
)
def test_the_star_of_a_struct_whose_fields_are_not_known_says_so(dialect: str, sql: str, edge: str) -> None:
    lineage = column_lineage(sql, dialect=dialect, schema=SCHEMA)
    assert written(lineage) == {edge}
    assert ["fields of" in gap.reason for gap in lineage.unknown] == [True]


def test_a_merge_keeps_the_columns_that_each_branch_names() -> None:
    lineage = column_lineage(
        "merge into h using w on h.id = w.n when matched then update set b = w.s"
        " when not matched then insert (id, b) values (w.n, w.s)",
        dialect="duckdb",
        schema={"h": ["id", "b", "c"], "w": ["n", "s"]},
    )
    assert written(lineage, "h") == expected(
        "w.s > b IDENTITY; w.n > id IDENTITY; w.n > . JOIN; h.id > . JOIN"
    )


def test_what_a_script_caches_is_read_through() -> None:
    lineage = column_lineage(
        "cache table x as select id from h; create table y as select id from x",
        dialect="spark",
        schema=SCHEMA,
    )
    assert written(lineage, "y") == {"h.id > id IDENTITY"}
