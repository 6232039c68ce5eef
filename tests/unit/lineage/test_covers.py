"""Every kind of SQL that is covered, in the dialects that have it."""

import pytest

from batch_audit.lineage import column_lineage
from tests.unit.lineage.cases import SCHEMA, edges, expected, written

QUERIES = [
    # CTEs: nested, shadowing, recursive
    ("duckdb", "with t as (select a from t where b > 1) select a from t", "t.a > a IDENTITY; t.b > . FILTER"),
    (
        "duckdb",
        "with x as (with x as (select a as q from t) select q from x) select q from x",
        "t.a > q IDENTITY",
    ),
    ("duckdb", "with x(p, q) as (select a, b from t) select q from x", "t.b > q IDENTITY"),
    (
        "postgres",
        "with recursive r(n, m) as (select a, b from t union all select u.e, r.n from r"
        " join u on u.a = r.m) select m from r",
        "t.b > m IDENTITY; t.a > m IDENTITY; u.e > m IDENTITY; u.a > . JOIN; t.b > ."
        " JOIN; t.a > . JOIN; u.e > . JOIN",
    ),
    (
        "tsql",
        "with r as (select a, b from t union all select u.e, r.a from u join r on u.a = r.b) select a from r",
        "t.a > a IDENTITY; u.e > a IDENTITY; u.a > . JOIN; t.b > . JOIN; t.a > . JOIN; u.e > . JOIN",
    ),
    # lateral and correlated
    (
        "postgres",
        "select x.m from t, lateral (select max(e) as m from u where u.a = t.a) x",
        "u.e > m AGGREGATION; u.a > . FILTER; t.a > . FILTER",
    ),
    (
        "tsql",
        "select x.e from t cross apply (select top 1 e from u where u.a = t.a order by f) x",
        "u.e > e IDENTITY; u.a > . FILTER; t.a > . FILTER; u.f > . SORT",
    ),
    # set operations by name
    (
        "duckdb",
        "select a, b from t union all by name select b, a from v",
        "t.a > a IDENTITY; v.a > a IDENTITY; t.b > b IDENTITY; v.b > b IDENTITY",
    ),
    ("duckdb", "select a from t union all by name select g from v", "t.a > a IDENTITY; v.g > g IDENTITY"),
    (
        "duckdb",
        "select a, b from t union all select b, a from v union all select e, f from u",
        "t.a > a IDENTITY; v.b > a IDENTITY; u.e > a IDENTITY; t.b > b IDENTITY; v.a > b"
        " IDENTITY; u.f > b IDENTITY",
    ),
    # stars
    ("duckdb", "select * exclude (a, b) from t", "t.c > c IDENTITY; t.d > d IDENTITY"),
    (
        "duckdb",
        "select * exclude (a) replace (b + c as b) from t",
        "t.b > b TRANSFORMATION; t.c > b TRANSFORMATION; t.c > c IDENTITY; t.d > d IDENTITY",
    ),
    ("duckdb", "select * rename (a as z) from u", "u.a > z IDENTITY; u.e > e IDENTITY; u.f > f IDENTITY"),
    ("snowflake", "select * ilike '%E%' from u", "u.e > e IDENTITY"),
    ("bigquery", "select * except (a, b) from t", "t.c > c IDENTITY; t.d > d IDENTITY"),
    (
        "snowflake",
        "select u.* exclude a, t.d from t join u using (a)",
        "u.e > e IDENTITY; u.f > f IDENTITY; t.d > d IDENTITY; t.a > . JOIN; u.a > . JOIN",
    ),
    ("duckdb", "select columns('e|f') from u", "u.e > e IDENTITY; u.f > f IDENTITY"),
    (
        "duckdb",
        "select max(columns(*)) from u",
        "u.a > a AGGREGATION; u.e > e AGGREGATION; u.f > f AGGREGATION",
    ),
    ("duckdb", "select columns(['e', 'a']) from u", "u.a > a IDENTITY; u.e > e IDENTITY"),
    (
        "duckdb",
        "select * from t join u using (a) where d > 1",
        "t.a > a IDENTITY; u.a > a IDENTITY; t.b > b IDENTITY; t.c > c IDENTITY; t.d > d"
        " IDENTITY; u.e > e IDENTITY; u.f > f IDENTITY;"
        "t.a > . JOIN; u.a > . JOIN; t.d > . FILTER",
    ),
    # aliases
    (
        "snowflake",
        "select a as x, x || b as y from t",
        "t.a > x IDENTITY; t.a > y TRANSFORMATION; t.b > y TRANSFORMATION",
    ),
    ("redshift", "select a || 'x' as b, b as y from t", "t.a > b TRANSFORMATION; t.b > y IDENTITY"),
    (
        "postgres",
        "select a as x, b as a from t order by a",
        "t.a > x IDENTITY; t.b > a IDENTITY; t.b > . SORT",
    ),
    (
        "postgres",
        "select lower(a) as x, count(*) from t group by x",
        "t.a > x TRANSFORMATION; t.a > . GROUP_BY",
    ),
    (
        "postgres",
        "select lower(b) as a, count(*) from t group by a",
        "t.b > a TRANSFORMATION; t.a > . GROUP_BY",
    ),
    ("snowflake", "select a as x from t where x > 1", "t.a > x IDENTITY; t.a > . FILTER"),
    # pivots
    (
        "snowflake",
        "select * from (select a, b, c from t) pivot (sum(c) for b in ('x', 'y')) as p (k, x, y)",
        "t.a > k IDENTITY; t.c > x AGGREGATION; t.b > x CONDITIONAL; t.c > y"
        " AGGREGATION; t.b > y CONDITIONAL; t.a > . GROUP_BY",
    ),
    (
        "bigquery",
        "select * from (select a, b, c from t) pivot (sum(c) as s for b in ('x', 'y'))",
        "t.a > a IDENTITY; t.c > s_x AGGREGATION; t.b > s_x CONDITIONAL; t.c > s_y"
        " AGGREGATION; t.b > s_y CONDITIONAL; t.a > . GROUP_BY",
    ),
    (
        "duckdb",
        "pivot (select a, b, c from t) on b in ('x', 'y') using sum(c)",
        "t.a > a IDENTITY; t.c > x AGGREGATION; t.b > x CONDITIONAL; t.c > y"
        " AGGREGATION; t.b > y CONDITIONAL; t.a > . GROUP_BY",
    ),
    (
        "duckdb",
        "select d, x from (pivot t on b in ('x') using max(c) group by d)",
        "t.d > d IDENTITY; t.c > x AGGREGATION; t.b > x CONDITIONAL; t.d > . GROUP_BY",
    ),
    (
        "duckdb",
        "unpivot t on c, d into name n value v",
        "t.a > a IDENTITY; t.b > b IDENTITY; t.c > v IDENTITY; t.d > v IDENTITY; t.c > ."
        " FILTER; t.d > . FILTER",
    ),
    (
        "snowflake",
        "select n, v from t unpivot (v for n in (c, d))",
        "t.c > v IDENTITY; t.d > v IDENTITY; t.c > . FILTER; t.d > . FILTER",
    ),
    (
        "tsql",
        "select a, n, v from t unpivot (v for n in (c, d)) as p",
        "t.a > a IDENTITY; t.c > v IDENTITY; t.d > v IDENTITY; t.c > . FILTER; t.d > . FILTER",
    ),
    # rows out of values
    (
        "duckdb",
        "select t.a, x.z from t, unnest(t.b) as x(z)",
        "t.a > a IDENTITY; t.b > z TRANSFORMATION; t.b > . JOIN",
    ),
    ("duckdb", "select a, unnest(b) as z from t", "t.a > a IDENTITY; t.b > z TRANSFORMATION; t.b > . JOIN"),
    (
        "postgres",
        "select a, z from t cross join unnest(b) with ordinality as x(z, n)",
        "t.a > a IDENTITY; t.b > z TRANSFORMATION; t.b > . JOIN",
    ),
    (
        "bigquery",
        "select a, z, z.f as y, o from t, unnest(b) as z with offset as o",
        "t.a > a IDENTITY; t.b > z TRANSFORMATION; t.b.f > y TRANSFORMATION; t.b > . JOIN",
    ),
    (
        "snowflake",
        "select a, f.value:x::int as y from t, lateral flatten(input => t.b) f",
        "t.a > a IDENTITY; t.b > y TRANSFORMATION; t.b > . JOIN",
    ),
    (
        "spark",
        "select a, k, w from t lateral view explode(b) x as k, w",
        "t.a > a IDENTITY; t.b > k TRANSFORMATION; t.b > w TRANSFORMATION; t.b > . JOIN",
    ),
    ("spark", "select a, explode(b) as z from t", "t.a > a IDENTITY; t.b > z TRANSFORMATION; t.b > . JOIN"),
    ("redshift", "select t.a, z from t, t.b as z", "t.a > a IDENTITY; t.b > z TRANSFORMATION; t.b > . JOIN"),
    ("duckdb", "select x.q, x.p from (values (1, 2)) x(p, q)", ""),
    ("postgres", "select x.q from t, lateral (values (t.a, t.b)) x(p, q)", "t.b > q IDENTITY"),
    ("postgres", "select g from t, generate_series(1, t.a) as g", "t.a > g TRANSFORMATION; t.a > . JOIN"),
    ("duckdb", "select i from range(10) r(i)", ""),
    # structs and JSON
    ("duckdb", "select s.x as p from (select {'x': a, 'y': b} as s from t)", "t.a > p IDENTITY"),
    (
        "duckdb",
        "with c as (select a as s from t) select c.s.x.y as p, s.z as q from c",
        "t.a.x.y > p IDENTITY; t.a.z > q IDENTITY",
    ),
    (
        "bigquery",
        "select a.x.y as p, t.a.z as q, (a).w as r from t",
        "t.a.x.y > p IDENTITY; t.a.z > q IDENTITY; t.a.w > r IDENTITY",
    ),
    ("bigquery", "select s.x as p from (select struct(a as x, b as y) as s from t)", "t.a > p IDENTITY"),
    (
        "bigquery",
        "select s.* from (select struct(a as x, b as y) as s from t)",
        "t.a > x IDENTITY; t.b > y IDENTITY",
    ),
    ("duckdb", "select a['x'] as p, b[1] as q from t", "t.a.x > p IDENTITY; t.b > q TRANSFORMATION"),
    (
        "snowflake",
        "with c as (select b as j from t) select j:x.y::string as p from c",
        "t.b > p TRANSFORMATION",
    ),
    (
        "postgres",
        "with c as (select b as j from t) select j ->> 'x' as p, j #>> '{a,b}' as q from c",
        "t.b > p TRANSFORMATION; t.b > q TRANSFORMATION",
    ),
    (
        "postgres",
        "select to_json(u) as j from u",
        "u.a > j TRANSFORMATION; u.e > j TRANSFORMATION; u.f > j TRANSFORMATION",
    ),
    # lambdas and comprehensions
    (
        "duckdb",
        "select list_transform(a, x -> x + b) as p from t",
        "t.a > p TRANSFORMATION; t.b > p TRANSFORMATION",
    ),
    (
        "spark",
        "select transform(a, x -> x + b) as p from t",
        "t.a > p TRANSFORMATION; t.b > p TRANSFORMATION",
    ),
    (
        "duckdb",
        "select [x + b for x in a if x > c] as p from t",
        "t.a > p TRANSFORMATION; t.b > p TRANSFORMATION; t.c > p CONDITIONAL",
    ),
    # decorators, quotes
    ("snowflake", 'select "A" as x from "T"', "T.a > x IDENTITY"),
    ("tsql", "select [a] as x, y = b from [t]", "t.a > x IDENTITY; t.b > y IDENTITY"),
    ("snowflake", "select $2 as x from t", "t.b > x IDENTITY"),
    ("postgres", "select x.max, count from (select max(a), count(*) from t) x", "t.a > max AGGREGATION"),
    ("bigquery", "select a from `t$20260101`", "t.a > a IDENTITY"),
]


@pytest.mark.parametrize(("dialect", "sql", "wanted"), QUERIES)
def test_queries(dialect, sql, wanted):
    lineage = column_lineage(sql, dialect=dialect, schema=SCHEMA)
    assert written(lineage) == expected(wanted)
    gaps = [unknown.reason for unknown in lineage.unknown if "has no name" not in unknown.reason]
    assert gaps == []


STATEMENTS = [
    (None, "create table x as select a as q from t", "x", "t.a > q IDENTITY"),
    (
        None,
        "create or replace view x (p, q) as select a, b from t",
        "x",
        "t.a > p IDENTITY; t.b > q IDENTITY",
    ),
    (
        None,
        "insert into u select a, b, c from t",
        "u",
        "t.a > a IDENTITY; t.b > e IDENTITY; t.c > f IDENTITY",
    ),
    (
        "postgres",
        "insert into u (f, e) select a, b from t where c > 1",
        "u",
        "t.a > f IDENTITY; t.b > e IDENTITY; t.c > . FILTER",
    ),
    (
        "duckdb",
        "insert into u by name select a as f, b as e from t",
        "u",
        "t.a > f IDENTITY; t.b > e IDENTITY",
    ),
    (
        "postgres",
        "insert into u (a, e) select a, b from t on conflict (a) do update set e ="
        " excluded.e + u.f where u.a > 1",
        "u",
        "t.a > a IDENTITY; t.b > e IDENTITY; t.b > e TRANSFORMATION; u.f > e TRANSFORMATION; u.a > . FILTER",
    ),
    (
        "snowflake",
        "merge into u using t on u.a = t.a when matched and t.b > 1 then update set e ="
        " t.c when not matched then insert (a, f) values (t.a, t.d)",
        "u",
        "t.c > e IDENTITY; t.a > a IDENTITY; t.d > f IDENTITY; u.a > . JOIN; t.a > . JOIN; t.b > . FILTER",
    ),
    (
        "spark",
        "merge into v using u on u.a = v.a when matched then update set * when not matched then insert *",
        "v",
        "u.a > a IDENTITY; u.e > e IDENTITY; u.f > f IDENTITY; u.a > . JOIN; v.a > . JOIN",
    ),
    (
        "bigquery",
        "merge v using (select a, max(e) as m from u group by a) s on v.a = s.a when not"
        " matched then insert row",
        "v",
        "u.a > a IDENTITY; u.e > m AGGREGATION; u.a > . GROUP_BY; u.a > . JOIN; v.a > . JOIN",
    ),
    (
        "postgres",
        "update u set e = t.b, f = u.f + 1 from t where t.a = u.a",
        "u",
        "t.b > e IDENTITY; u.f > f TRANSFORMATION; t.a > . FILTER; u.a > . FILTER",
    ),
    (
        "tsql",
        "update x set x.e = t.b from u x join t on t.a = x.a where t.c = 1",
        "u",
        "t.b > e IDENTITY; t.a > . JOIN; u.a > . JOIN; t.c > . FILTER",
    ),
    (
        "postgres",
        "update u set (e, f) = (select b, c from t where t.a = u.a)",
        "u",
        "t.b > e IDENTITY; t.c > f IDENTITY; t.a > e FILTER; u.a > e FILTER; t.a > f FILTER; u.a > f FILTER",
    ),
    ("postgres", "delete from u using t where t.a = u.a", "u", "t.a > . FILTER; u.a > . FILTER"),
    ("snowflake", "create table x clone u", "x", "u.a > a IDENTITY; u.e > e IDENTITY; u.f > f IDENTITY"),
    ("tsql", "select a as q into x from t", "x", "t.a > q IDENTITY"),
    (
        "spark",
        "insert overwrite table u partition (f = 1) select a, b from t",
        "u",
        "t.a > a IDENTITY; t.b > e IDENTITY",
    ),
    (
        "snowflake",
        "insert all when a > 1 then into u (e) values (b) else into v (g) values (c) select a, b, c from t",
        "u",
        "t.b > e IDENTITY; t.a > . FILTER",
    ),
]


@pytest.mark.parametrize(("dialect", "sql", "target", "wanted"), STATEMENTS)
def test_statements(dialect, sql, target, wanted):
    assert edges(sql, dialect, target=target) == expected(wanted)


SCRIPT = "create temp table x as select a as q, b from t where c > 1; create table y as select q from x"


def test_a_relation_that_a_script_made_is_read_through():
    lineage = column_lineage(SCRIPT, dialect="duckdb", schema=SCHEMA)
    assert written(lineage, "y") == {"t.a > q IDENTITY", "t.c > . FILTER"}
    assert written(lineage, "x") == set()


def test_edges_of_what_a_script_only_used_come_on_request():
    lineage = column_lineage(SCRIPT, dialect="duckdb", schema=SCHEMA, intermediate=True)
    assert written(lineage, "x") == {"t.a > q IDENTITY", "t.b > b IDENTITY", "t.c > . FILTER"}


def test_a_script_adds_to_a_relation_that_it_made():
    sql = (
        "create table x as select a as q from t; insert into x select e from u;"
        "alter table x rename to z; create table y as select q from z"
    )
    lineage = column_lineage(sql, dialect="postgres", schema=SCHEMA)
    assert written(lineage, "y") == {"t.a > q IDENTITY", "u.e > q IDENTITY"}


def test_a_target_can_be_named_and_gives_names_to_what_has_none():
    lineage = column_lineage(
        "select max(a), b, b from t group by b",
        dialect="duckdb",
        schema=SCHEMA | {"m": ["x", "y", "z"]},
        target="m",
    )
    assert written(lineage, "m") == {
        "t.a > x AGGREGATION",
        "t.b > b IDENTITY",
        "t.b > z IDENTITY",
        "t.b > . GROUP_BY",
    }
    assert lineage.columns == {"m": ("x", "b", "z")}
    assert lineage.unknown == ()
