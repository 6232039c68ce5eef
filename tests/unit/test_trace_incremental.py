"""An incremental model's SQL without what reads the model: only where more rows in mean more rows out is it sound.

What `without_self` calls sound is held against DuckDB: each row of the increment is among the rows of the rest.
"""

import duckdb
import pytest

from batch_audit.trace.incremental import reads_itself, without_self

OWN = ("db", "s", "m")
NEW = "x > (select coalesce(max(x), 0) from s.m)"
SOUND = (
    f"select a, x from t where {NEW}",
    f"select a, x from t where b = 1 and {NEW} and x < 9",
    f"select a, x from t where ({NEW}) and (b = 1 or b = 2)",
    f"with n as (select * from t where {NEW}) select n.a, n.x from n left join u on u.a = n.a",
    f"with n as (select * from t where {NEW}), k as (select * from n where b = 1) select k.a, k.x from k join u"
    " on u.a = k.a",
    f"select a, x from t where {NEW} union all select a, x from u",
    f"select a, x from u union select a, x from t where {NEW}",
    f"select distinct a, x from (select * from t where {NEW}) as n",
    f"select n.a, n.x from t as n where {NEW}",
    "select a, x from t where a not in (select a from s.m)",
    f"select a, x from t where a not in (select a from u where x = 0 and {NEW})",
    "select a, x from t where not exists (select 1 from s.m where m.a = t.a)",
)  # fmt: skip
UNSOUND = (
    f"with n as (select * from t where {NEW}) select u.a, n.x from u left join n on u.a = n.a",
    f"with n as (select * from t where {NEW}) select n.a, u.x from u right join n on u.a = n.a",
    f"select a, x from u except select a, x from t where {NEW}",
    f"select a, x from t where {NEW} order by x limit 1",
    f"select * from (select a, x from t where {NEW}) as n limit 1",
    f"select a, count(*) from t where {NEW} group by a having count(*) < 3",
    f"select a, row_number() over (order by x) from t where {NEW}",
    f"select distinct on (a) a, x from t where {NEW} order by a, x",
)
UNREADABLE = (
    "select t.a, t.x from t left join s.m on m.a = t.a where m.a is null",
    "select a, x from t union all select a, x from s.m",
    "select (select max(x) from s.m) as newest, a from t",
)


@pytest.mark.parametrize("sql", SOUND)
def test_every_row_of_the_increment_is_among_those_without_the_condition(sql: str) -> None:
    cut = without_self(sql, OWN, "duckdb")
    assert cut.sound and cut.sql is not None
    assert not reads_itself(cut.sql, OWN, "duckdb")
    with duckdb.connect() as connection:
        connection.execute("create schema s; create table s.m as select 1 as a, 3 as x")
        connection.execute(
            "create table t as select i % 3 as a, i % 2 + 1 as b, i as x from range(8) as r(i);"
            " create table u as select i as a, i * 2 as x from range(3) as r(i)"
        )
        increment = connection.execute(sql).fetchall()
        rest = connection.execute(cut.sql).fetchall()
    assert increment
    assert set(increment) <= set(rest)


@pytest.mark.parametrize("sql", UNSOUND)
def test_where_more_rows_may_take_others_away_it_is_not_sound(sql: str) -> None:
    cut = without_self(sql, OWN, "duckdb")
    assert cut.sql is None or not cut.sound


@pytest.mark.parametrize("sql", UNREADABLE)
def test_a_model_that_is_read_outside_of_a_condition_cannot_be_left_out(sql: str) -> None:
    assert without_self(sql, OWN, "duckdb").sql is None
    assert reads_itself(sql, OWN, "duckdb")


def test_sql_that_cannot_be_read_is_not_taken_for_anything() -> None:
    assert not reads_itself("select from where", OWN, "duckdb")
    assert without_self("select from where", OWN, "duckdb").sql is None
    # A relation of the same name in another schema, or a CTE of that name, is another one.
    assert not reads_itself("with m as (select 1 as a) select * from m", OWN, "duckdb")
    assert not reads_itself("select * from other.m", OWN, "duckdb")
