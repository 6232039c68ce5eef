"""Every sentence of the rules, as edges."""

import pytest

from tests.unit.lineage.cases import edges, expected

DIRECT = [
    ("select a as x from t", "t.a > x IDENTITY"),
    ("select (a) as x from t", "t.a > x IDENTITY"),
    (
        "select case when b > 1 then a else c end as x from t",
        "t.a > x IDENTITY; t.c > x IDENTITY; t.b > x CONDITIONAL",
    ),
    ("select case b when 1 then a end as x from t", "t.a > x IDENTITY; t.b > x CONDITIONAL"),
    ("select if(b > 1, a, c) as x from t", "t.a > x IDENTITY; t.c > x IDENTITY; t.b > x CONDITIONAL"),
    ("select coalesce(a, b) as x from t", "t.a > x IDENTITY; t.b > x IDENTITY"),
    ("select ifnull(a, b) as x from t", "t.a > x IDENTITY; t.b > x IDENTITY"),
    ("select nullif(a, b) as x from t", "t.a > x IDENTITY; t.b > x CONDITIONAL"),
    (
        "select cast(a as int) as x, try_cast(b as int) as y, c::int as z from t",
        "t.a > x TRANSFORMATION; t.b > y TRANSFORMATION; t.c > z TRANSFORMATION",
    ),
    (
        "select a || b as x, upper(c) as y, my_own(d) as z from t",
        "t.a > x TRANSFORMATION; t.b > x TRANSFORMATION; t.c > y TRANSFORMATION; t.d > z TRANSFORMATION",
    ),
    (
        "select sum(a + 1) as x, max(b) as y, list(c) as z from t",
        "t.a > x AGGREGATION; t.b > y AGGREGATION; t.c > z AGGREGATION",
    ),
    ("select sum(a) over () as x, my_agg(b) over () as y from t", "t.a > x AGGREGATION; t.b > y AGGREGATION"),
    (
        "select lag(a) over (order by b) as x, lead(c, 1, d) over () as y from t",
        "t.a > x TRANSFORMATION; t.b > x WINDOW; t.c > y TRANSFORMATION; t.d > y TRANSFORMATION",
    ),
    (
        "select first_value(a) over () as x, last_value(b ignore nulls) over () as y,"
        " nth_value(c, 2) over () as z from t",
        "t.a > x TRANSFORMATION; t.b > y TRANSFORMATION; t.c > z TRANSFORMATION",
    ),
    ("select first(a) as x, first(b) over () as y from t", "t.a > x AGGREGATION; t.b > y TRANSFORMATION"),
    (
        "select rank() over (partition by a order by b) as x, ntile(4) over (order by c) as y from t",
        "t.a > x WINDOW; t.b > x WINDOW; t.c > y WINDOW",
    ),
    ("select count(*) as x, count(t.*) as y, 1 as z, now() as w from t", ""),
    ("select max(x) as x from (select cast(a as int) as x from t)", "t.a > x AGGREGATION"),
    ("select cast(x as int) as x from (select max(a) as x from t)", "t.a > x AGGREGATION"),
    ("select a + (case when a > 1 then a end) as x from t", "t.a > x TRANSFORMATION; t.a > x CONDITIONAL"),
]
INDIRECT = [
    ("select sum(a) filter (where b > 1) as x from t", "t.a > x AGGREGATION; t.b > x CONDITIONAL"),
    (
        "select sum(a) over (partition by b order by c) as x from t",
        "t.a > x AGGREGATION; t.b > x WINDOW; t.c > x WINDOW",
    ),
    ("select string_agg(a, ',' order by b) as x from t", "t.a > x AGGREGATION; t.b > x WINDOW"),
    ("select array_agg(a order by b desc) as x from t", "t.a > x AGGREGATION; t.b > x WINDOW"),
    ("select quantile_cont(0.5) within group (order by a) as x from t", "t.a > x AGGREGATION"),
    ("select percentile_cont(0.5) within group (order by a) as x from t", "t.a > x AGGREGATION"),
    (
        "select case when row_number() over (order by a) = 1 then b end as x from t",
        "t.a > x CONDITIONAL; t.b > x IDENTITY",
    ),
    (
        "select sum(x) as y from (select case when a > 1 then b end as x from t)",
        "t.a > y CONDITIONAL; t.b > y AGGREGATION",
    ),
    (
        "select sum(c) over (order by x) as y from (select case when a > 1 then b end as x, c from t)",
        "t.a > y WINDOW; t.b > y WINDOW; t.c > y AGGREGATION",
    ),
    (
        "select sum(a) over w as x from t window w as (partition by b order by c)",
        "t.a > x AGGREGATION; t.b > x WINDOW; t.c > x WINDOW",
    ),
    (
        "select sum(a) over (w order by c) as x from t window w as (partition by b)",
        "t.a > x AGGREGATION; t.b > x WINDOW; t.c > x WINDOW",
    ),
    ("select nullif(case when a > 1 then b end, 0) as x from t", "t.a > x CONDITIONAL; t.b > x IDENTITY"),
]
DATASET = [
    ("select a from t where b > 1", "t.a > a IDENTITY; t.b > . FILTER"),
    ("select a from t group by a having max(b) > 1", "t.a > a IDENTITY; t.a > . GROUP_BY; t.b > . FILTER"),
    (
        "select a from t qualify row_number() over (partition by b order by c) = 1",
        "t.a > a IDENTITY; t.b > . FILTER; t.c > . FILTER",
    ),
    ("select t.b from t join u on t.a = u.a", "t.b > b IDENTITY; t.a > . JOIN; u.a > . JOIN"),
    ("select b from t join u using (a)", "t.b > b IDENTITY; t.a > . JOIN; u.a > . JOIN"),
    ("select a from t join u using (a)", "t.a > a IDENTITY; u.a > a IDENTITY; t.a > . JOIN; u.a > . JOIN"),
    ("select b, e from t natural join u", "t.b > b IDENTITY; u.e > e IDENTITY; t.a > . JOIN; u.a > . JOIN"),
    ("select b from t semi join u on t.a = u.e", "t.b > b IDENTITY; t.a > . JOIN; u.e > . JOIN"),
    ("select * from (select b from t) anti join u on b = e", "t.b > b IDENTITY; t.b > . JOIN; u.e > . JOIN"),
    (
        "select t.b, u.f from t asof join u on t.a = u.a and t.c >= u.e",
        "t.b > b IDENTITY; u.f > f IDENTITY; t.a > . JOIN; u.a > . JOIN; t.c > . JOIN; u.e > . JOIN",
    ),
    ("select distinct a from t", "t.a > a IDENTITY; t.a > . GROUP_BY"),
    ("select distinct on (b) a from t order by c", "t.a > a IDENTITY; t.b > . GROUP_BY; t.c > . SORT"),
    (
        "select a from t union select e from u",
        "t.a > a IDENTITY; u.e > a IDENTITY; t.a > . GROUP_BY; u.e > . GROUP_BY",
    ),
    ("select a from t union all select e from u", "t.a > a IDENTITY; u.e > a IDENTITY"),
    ("select a from t except select e from u", "t.a > a IDENTITY; t.a > . FILTER; u.e > . FILTER"),
    (
        "select a from t intersect select e from u",
        "t.a > a IDENTITY; u.e > a IDENTITY; t.a > . FILTER; u.e > . FILTER",
    ),
    ("select a from t order by b, c desc", "t.a > a IDENTITY; t.b > . SORT; t.c > . SORT"),
    ("select a, b from t order by 2", "t.a > a IDENTITY; t.b > b IDENTITY; t.b > . SORT"),
    (
        "select a from t limit (select max(e) from u where f > 1)",
        "t.a > a IDENTITY; u.e > . FILTER; u.f > . FILTER",
    ),
    ("select a, sum(b) as s from t group by all", "t.a > a IDENTITY; t.b > s AGGREGATION; t.a > . GROUP_BY"),
    ("select a, sum(b) as s from t group by 1", "t.a > a IDENTITY; t.b > s AGGREGATION; t.a > . GROUP_BY"),
    (
        "select sum(d) as s from t group by grouping sets ((a), (b, c), ())",
        "t.d > s AGGREGATION; t.a > . GROUP_BY; t.b > . GROUP_BY; t.c > . GROUP_BY",
    ),
    (
        "select sum(d) as s from t group by rollup (a, b)",
        "t.d > s AGGREGATION; t.a > . GROUP_BY; t.b > . GROUP_BY",
    ),
    (
        "select x.i as y from (select a as i from t where b > 1 order by c) x where x.i > 2",
        "t.a > y IDENTITY; t.b > . FILTER; t.c > . SORT; t.a > . FILTER",
    ),
    (
        "with c as (select a from t join u using (a)), unread as (select g from v where"
        " b > 1) select a from c",
        "t.a > a IDENTITY; u.a > a IDENTITY; t.a > . JOIN; u.a > . JOIN",
    ),
    (
        "select a from t where c in (select e from u join v on u.a = v.a group by f)",
        "t.a > a IDENTITY; t.c > . FILTER; u.e > . FILTER; u.a > . FILTER; v.a > . FILTER; u.f > . FILTER",
    ),
    (
        "select a from t where exists (select 1 from u where u.e = t.b order by f)",
        "t.a > a IDENTITY; u.e > . FILTER; t.b > . FILTER; u.f > . FILTER",
    ),
    (
        "select (select max(e) from u where u.a = t.a group by f) as x from t",
        "u.e > x AGGREGATION; u.a > x FILTER; t.a > x FILTER; u.f > x GROUP_BY",
    ),
    ("select (select e from u order by f limit 1) as x", "u.e > x IDENTITY; u.f > x SORT"),
    (
        "select a in (select e from u join v on u.a = v.a) as x from t",
        "t.a > x TRANSFORMATION; u.e > x TRANSFORMATION; u.a > x FILTER; v.a > x FILTER",
    ),
    ("select exists(select 1 from u where e = t.a) as x from t", "u.e > x FILTER; t.a > x FILTER"),
    (
        "select case when (select max(e) from u where f > 1) > 0 then a end as x from t",
        "t.a > x IDENTITY; u.e > x CONDITIONAL; u.f > x CONDITIONAL",
    ),
]
MASKING = [
    (
        "select md5(a) as x, sha256(b) as y, hash(c) as z from t",
        "t.a > x TRANSFORMATION!; t.b > y TRANSFORMATION!; t.c > z TRANSFORMATION!",
    ),
    (
        "select count(a) as x, count(distinct b) as y, approx_count_distinct(c) as z from t",
        "t.a > x AGGREGATION!; t.b > y AGGREGATION!; t.c > z AGGREGATION!",
    ),
    (
        "select sum(a) as x, min(b) as y, date_trunc('month', c) as z from t",
        "t.a > x AGGREGATION; t.b > y AGGREGATION; t.c > z TRANSFORMATION",
    ),
    ("select upper(x) as y from (select md5(a) as x from t)", "t.a > y TRANSFORMATION!"),
    ("select a as x from t where md5(b) = 'x'", "t.a > x IDENTITY; t.b > . FILTER!"),
    ("select concat(a, md5(a)) as x from t", "t.a > x TRANSFORMATION; t.a > x TRANSFORMATION!"),
]


@pytest.mark.parametrize(("sql", "wanted"), DIRECT)
def test_direct_edges_say_how_much_of_a_change_there_is(sql, wanted):
    assert edges(sql) == expected(wanted)


@pytest.mark.parametrize(("sql", "wanted"), INDIRECT)
def test_conditions_and_window_keys_belong_to_their_column(sql, wanted):
    assert edges(sql) == expected(wanted)


@pytest.mark.parametrize(("sql", "wanted"), DATASET)
def test_what_decides_the_rows_belongs_to_every_column(sql, wanted):
    assert edges(sql) == expected(wanted)


@pytest.mark.parametrize(("sql", "wanted"), MASKING)
def test_masking_is_hashes_digests_and_counts(sql, wanted):
    assert edges(sql) == expected(wanted)
