"""What a row comes from, row by row, as both engines answer it."""

import re

import duckdb
import psycopg2
import pytest

from batch_audit.lineage.records import DUCKDB_SETTINGS, provenance_query
from batch_audit.warehouses.duckdb import LOSING_ROWS
from tests.support.postgres import fresh_database

SCHEMA = {
    "orders": {"id": "integer", "who": "integer", "amount": "integer"},
    "people": {"id": "integer", "name": "text"},
}
KEYS = {"orders": ["id"], "people": ["id"]}
SETUP = [
    "create table orders (id integer, who integer, amount integer)",
    "create table people (id integer, name text)",
    "insert into orders values (1, 10, 5), (2, 10, 7), (3, 20, 5), (4, null, 9), (5, 99, 1)",
    "insert into people values (10, 'ann'), (20, 'bob'), (30, 'ann')",
]
OWN_FUNCTIONS = [
    "create function my_half(integer) returns integer language sql immutable return $1 / 2",
    "create aggregate my_sum(integer) (sfunc = int4pl, stype = integer, initcond = '0')",
]
JOIN = "from orders o join people p on p.id = o.who"

# A query, and its rows with the keys of the occurrences, in the order of `sources`.
CASES = {
    "a row comes from itself": ("select amount from orders where id > 3", {(9, 4), (1, 5)}),
    "a joined row comes from its pair": (
        f"select p.name, o.amount {JOIN} where o.amount = 5",
        {("ann", 5, 1, 10), ("bob", 5, 3, 20)},
    ),
    "an unmatched outer row comes from its own side": (
        "select p.name, o.id from orders o full join people p on p.id = o.who where o.id > 3 or o.id is null",
        {(None, 4, 4, None), (None, 5, 5, None), ("ann", None, None, 30)},
    ),
    "an aggregate comes from every row of its group": (
        "select who, max(amount) from orders where who < 50 group by who",
        {(10, 7, 1), (10, 7, 2), (20, 5, 3)},
    ),
    "an aggregate over no rows is one row without a source": (
        "select count(*) from orders where id > 9",
        {(0, None)},
    ),
    "HAVING keeps groups, not rows": (
        "select who from orders group by who having count(*) > 1",
        {(10, 1), (10, 2)},
    ),
    "DISTINCT comes from every duplicate": (
        "select distinct name from people",
        {("ann", 10), ("ann", 30), ("bob", 20)},
    ),
    "UNION has a row for each contributing row": (
        "select id from people where id = 10 union select who from orders where who = 10",
        {(10, 10, None), (10, None, 1), (10, None, 2)},
    ),
    "UNION ALL comes from the one": (
        "select id from people where id = 10 union all select who from orders where id < 3",
        {(10, 10, None), (10, None, 1), (10, None, 2)},
    ),
    "INTERSECT comes from left times right": (
        "select id from people intersect select who from orders",
        {(10, 10, 1), (10, 10, 2), (20, 20, 3)},
    ),
    "EXCEPT comes from the left row": (
        "select id from people except select who from orders where who is not null",
        {(30, 30, None)},
    ),
    "a scalar subquery among the outputs gives values": (
        "select id, (select sum(amount) from orders o where o.who = p.id) from people p where id > 10",
        {(20, 5, 20, 3), (30, None, 30, None)},
    ),
    "scalar subqueries without a FROM give values": (
        "select (select max(amount) from orders where id < 3) m, (select min(id) from people) n",
        {(7, 10, 1, 10), (7, 10, 1, 20), (7, 10, 1, 30), (7, 10, 2, 10), (7, 10, 2, 20), (7, 10, 2, 30)},
    ),
    "ROLLUP comes from the rows of each grouping set": (
        "select who, count(*) from orders where who < 50 group by rollup (who)",
        {(10, 2, 1), (10, 2, 2), (20, 1, 3), (None, 3, 1), (None, 3, 2), (None, 3, 3)},
    ),
    "an element of a list comes from the row of the list": (
        "select id, unnest(array[amount, who]) e from orders where id < 3",
        {(1, 5, 1), (1, 10, 1), (2, 7, 2), (2, 10, 2)},
    ),
    "an aggregate of elements comes from the rows of the lists": (
        "select sum(e) from (select unnest(array[amount, who]) e from orders where id < 3) q",
        {(32, 1), (32, 2)},
    ),
    "a group of NULL is matched, too": (
        "select who, count(*) from orders where who is null or who = 20 group by who",
        {(None, 1, 4), (20, 1, 3)},
    ),
    "a window row comes from itself": (
        "select id, sum(amount) over (order by id) from orders where id < 3",
        {(1, 5, 1), (2, 12, 2)},
    ),
    "LIMIT comes from the row that stayed": ("select id from orders order by id limit 1 offset 1", {(2, 2)}),
    "DISTINCT ON comes from the row that stayed": (
        "select distinct on (name) name, id from people order by name, id",
        {("ann", 10, 10), ("bob", 20, 20)},
    ),
    "a CTE that is read twice is two occurrences": (
        "with q as (select who, count(*) n from orders where who < 50 group by who)"
        " select a.who, b.n from q a join q b on b.n = a.n + 1",
        {(20, 2, 3, 1), (20, 2, 3, 2)},
    ),
    "a lateral join comes from its pair": (
        "select p.id, l.m from people p cross join lateral"
        " (select max(o.amount) m from orders o where o.who = p.id) l where p.id = 10",
        {(10, 7, 10, 1), (10, 7, 10, 2)},
    ),
    "joins in parentheses come from the rows that meet there": (
        "select p.id, o.id, q.id from people p left join (orders o join people q on q.id = o.who) on o.who = p.id"
        " where p.id > 10",
        {(20, 3, 20, 20, 3, 20), (30, None, None, 30, None, None)},
    ),
    "a comma binds less than JOIN": (
        "select p.id, o.id, q.name from people p, orders o right join people q on o.who = q.id and o.amount = 5"
        " where p.id = 30",
        {(30, 1, "ann", 30, 1, 10), (30, 3, "bob", 30, 3, 20), (30, None, "ann", 30, None, 30)},
    ),
    "a recursive series has no source": (
        "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3)"
        " select n, o.amount from t join orders o on o.id = t.n where n > 1",
        {(2, 7, 2), (3, 5, 3)},
    ),
    "two aggregates of a lateral join come from the same rows": (
        "select p.id, l.m, l.n from people p cross join lateral"
        " (select max(o.amount) m, count(*) n from orders o where o.who = p.id) l where p.id < 25",
        {(10, 7, 2, 10, 1), (10, 7, 2, 10, 2), (20, 5, 1, 20, 3)},
    ),
    "the sides of INTERSECT have the type that they have in common": (
        "select id from people intersect select sum(who) from orders where id < 4 group by id",
        {(10, 10, 1), (10, 10, 2), (20, 20, 3)},
    ),
    "the sides of EXCEPT have the type that they have in common": (
        "select id from people except select sum(who) from orders where id < 3 group by id",
        {(20, 20, None), (30, 30, None)},
    ),
    "VALUES have no source": (
        "select v.k, o.id from orders o join (values (10), (20)) v(k) on v.k = o.who where o.id > 1",
        {(10, 2, 2), (20, 3, 3)},
    ),
    "an aggregate of aggregates comes from all of their rows": (
        "select max(n) from (select count(*) n from orders where who < 50 group by who) q",
        {(2, 1), (2, 2), (2, 3)},
    ),
    "a limit over groups comes from the rows of those that stayed": (
        "select who, sum(amount) from orders where who < 50 group by who order by who desc limit 1",
        {(20, 5, 3)},
    ),
}

DUCKDB_CASES = {
    "PIVOT comes from every row of its group": (
        "pivot orders on amount in (5, 7) using count(*) group by who",
        {(10, 1, 1, 1), (10, 1, 1, 2), (20, 1, 0, 3), (None, 0, 0, 4), (99, 0, 0, 5)},
    ),
    "UNPIVOT comes from the row that it takes apart": (
        "select * from orders unpivot (v for n in (who, amount)) where id > 3",
        {(4, "amount", 9, 4), (5, "who", 99, 5), (5, "amount", 1, 5)},
    ),
    "UNPIVOT as a statement, with NULLs left out, and all columns but one": (
        "unpivot (select * from orders where id > 3) on columns(* exclude (id)) into name n value v",
        {(4, "amount", 9, 4), (5, "who", 99, 5), (5, "amount", 1, 5)},
    ),
    "an ASOF join comes from its pair": (
        "select p.id, o.id from people p asof left join orders o on o.who = p.id and p.id >= o.id",
        {(10, 2, 10, 2), (20, 3, 20, 3), (30, None, 30, None)},
    ),
    "QUALIFY comes from the row that stayed": (
        "select id from orders qualify row_number() over (partition by who order by id) = 2",
        {(2, 2)},
    ),
    "a semi-join comes from the left row": (
        "select id from people semi join orders on orders.who = people.id",
        {(10, 10), (20, 20)},
    ),
    "UNION BY NAME puts columns of a name together": (
        "select id as k, who from orders where id = 1 union all by name select id as k, name from people where id = 10",
        {(1, 10, None, 1, None), (10, None, "ann", None, 10)},
    ),
    "GROUP BY ALL comes from every row of its group": (
        "select who, sum(amount) from orders where who = 10 group by all",
        {(10, 12, 1), (10, 12, 2)},
    ),
}

# A query, and the rows of its only filter: the output columns, where it has the scope of a row, and the keys.
FILTERS = {
    "IN is decided by the rows that match": (
        "select id from people where id in (select who from orders where amount < 9)",
        "row",
        {(10, 1), (10, 2), (20, 3)},
    ),
    "after a comma, too, IN is decided by the rows that match": (
        "select p.id, q.id from people p, people q where p.id = q.id and p.id in (select who from orders where id > 1)",
        "row",
        {(10, 10, 2), (20, 20, 3)},
    ),
    "EXISTS is decided by the rows that it finds": (
        "select id from people p where exists (select 1 from orders o where o.who = p.id and o.amount > 5)",
        "row",
        {(10, 2)},
    ),
    "NOT EXISTS is decided by rows that are not there": (
        "select id from people p where not exists (select 1 from orders o where o.who = p.id)",
        "row",
        {(30, None)},
    ),
    "a tuple IN is decided by the rows that match": (
        "select id from people where (id, id) in (select who, who from orders where id <> 1)",
        "row",
        {(10, 2), (20, 3)},
    ),
    "a scalar subquery alone serves every row alike": (
        "select id from people where id > (select min(who) from orders where id < 3)",
        "query",
        {(1,), (2,)},
    ),
    "a subquery over groups is asked for every group": (
        "select o.who, count(*) from orders o group by o.who having o.who in (select id from people)",
        "row",
        {(10, 2, 10), (20, 1, 20)},
    ),
    "a window is decided by the rows of its frame": (
        "select id, sum(amount) over (order by id rows between 1 preceding and current row) from orders where id < 4",
        "row",
        {(1, 5, 1), (2, 12, 1), (2, 12, 2), (3, 12, 2), (3, 12, 3)},
    ),
    "OFFSET is decided by the rows that it skips": (
        "select id from orders order by id limit 1 offset 2",
        "query",
        {(1,), (2,)},
    ),
}


@pytest.fixture(scope="module")
def duckdb_rows():
    with duckdb.connect() as connection:
        for statement in [*DUCKDB_SETTINGS, *SETUP]:
            connection.execute(statement)
        yield lambda sql: set(connection.execute(sql).fetchall())


@pytest.fixture(scope="module")
def postgres_rows(postgres_url):
    with fresh_database(postgres_url) as parameters:
        connection = psycopg2.connect(**parameters)
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in [*SETUP, *OWN_FUNCTIONS]:
            cursor.execute(statement)

        def rows(sql):
            cursor.execute(sql)
            return set(cursor.fetchall())

        yield rows
        connection.close()


@pytest.fixture
def rows(engine, request):
    return request.getfixturevalue(f"{engine}_rows")


@pytest.mark.parametrize("name", CASES)
def test_a_row_comes_from(engine, rows, name):
    sql, expected = CASES[name]
    found = provenance_query(sql, dialect=engine, schema=SCHEMA, keys=KEYS)
    assert rows(found.sql) == expected
    assert (found.label, found.reasons) == ("exact", ())


OWN = {
    "named": ("select my_sum(amount) from orders where id < 3", ["main.My_Sum"], {(12, 1), (12, 2)}),
    "under GROUP BY": (
        "select who, my_sum(amount) + my_half(who) from orders where who < 50 group by who having my_sum(amount) > 5",
        [], {(10, 17, 1), (10, 17, 2)},
    ),
    "with FILTER": ("select my_sum(amount) filter (where amount > 5) from orders where id < 3", [], {(7, 1), (7, 2)}),
    "beside another": ("select count(*), my_sum(amount) from orders where id < 3", [], {(2, 12, 1), (2, 12, 2)}),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_an_aggregate_of_the_users_own_comes_from_every_row_of_its_group(postgres_rows, name):
    sql, names, expected = OWN[name]
    found = provenance_query(sql, dialect="postgres", schema=SCHEMA, keys=KEYS, aggregates=names)
    assert postgres_rows(found.sql) == expected
    assert found.label == "exact"


def test_a_function_of_the_users_own_is_called_for_each_row(postgres_rows):
    found = provenance_query(
        "select my_half(who) from orders where id < 4", dialect="postgres", schema=SCHEMA, keys=KEYS
    )
    assert postgres_rows(found.sql) == {(5, 1), (5, 2), (10, 3)}


def test_a_recursive_row_may_come_from_every_row_that_the_recursion_reads(engine, rows):
    sql = (
        "with recursive t(k) as (select who from orders where id = 1 union select p.id + 10 from t"
        " join people p on p.id = t.k) select k from t where k > 10"
    )
    found = provenance_query(sql, dialect=engine, schema=SCHEMA, keys=KEYS)
    every = [(order, person) for order in range(1, 6) for person in (10, 20, 30)]
    assert rows(found.sql) == {(k, *pair) for k in (20, 30, 40) for pair in every}
    assert found.label == "superset"
    assert len(found.reasons) == 1
    assert {row[-2] for row in rows(found.edges_sql) if row[0] == 20} == set("12345") | {"10", "20", "30"}


@pytest.mark.parametrize("name", DUCKDB_CASES)
def test_a_row_of_duckdb_comes_from(duckdb_rows, name):
    sql, expected = DUCKDB_CASES[name]
    found = provenance_query(sql, dialect="duckdb", schema=SCHEMA, keys=KEYS)
    assert duckdb_rows(found.sql) == expected
    assert (found.label, found.reasons) == ("exact", ())


@pytest.mark.parametrize("name", FILTERS)
def test_a_row_was_decided_by(engine, rows, name):
    sql, scope, expected = FILTERS[name]
    found = provenance_query(sql, dialect=engine, schema=SCHEMA, keys=KEYS)
    (decided,) = found.filters
    assert decided.scope == scope
    assert rows(decided.sql) == expected
    assert decided.label == "exact"


@pytest.mark.parametrize("name", [*CASES, *FILTERS])
def test_the_edges_are_the_keys_without_their_combinations(engine, rows, name):
    sql = (CASES.get(name) or FILTERS[name])[0]
    found = provenance_query(sql, dialect=engine, schema=SCHEMA, keys=KEYS)
    values = {occurrence: place for place, occurrence in enumerate(_values(found))}
    width = len(next(iter(rows(found.sql)))) - len(values)
    expected = {
        (*row[:width], occurrence, str(row[width + place]), "value")
        for row in rows(found.sql)
        for occurrence, place in values.items()
        if row[width + place] is not None
    }
    edges = rows(found.edges_sql)
    assert {edge for edge in edges if edge[-1] == "value"} == expected
    deciding = {edge[-3:-1] for edge in edges if edge[-1] != "value"}
    for decided in found.filters:
        (occurrence,) = decided.sources
        assert deciding == {(occurrence, str(row[-1])) for row in rows(decided.sql) if row[-1] is not None}


def test_the_edges_have_the_text_of_a_key_that_the_caller_gives(engine, rows):
    """Rounded and with the marks that a record_id escapes; filters, too."""
    sql = "select amount from orders o where id < 3 and exists (select 1 from people p where p.id = o.who)"
    found = provenance_query(
        sql, dialect=engine, schema=SCHEMA, keys=KEYS,
        key_text=lambda relation, _, key: f"'{relation[0]}~' || cast({key} as text) || '|'",
    )  # fmt: skip
    edges = {row[-3:] for row in rows(found.edges_sql)}
    assert edges == {
        ("orders", "o~01~1", "value"), ("orders", "o~02~1", "value"), ("people", "p~010~1", "filter"),
    }  # fmt: skip


def test_the_edges_to_a_relation_without_a_key_keep_rows_with_nulls(engine, rows):
    found = provenance_query("select amount from orders where id > 3", dialect=engine, schema=SCHEMA, keys={})
    assert {row[-2] for row in rows(found.edges_sql)} == {"4|~N|9", "5|99|1"}
    turned = {"orders": ["who", "id", "amount"]}
    found = provenance_query("select amount from orders where id > 3", dialect=engine, schema=turned, keys={})
    assert {row[-2] for row in rows(found.edges_sql)} == {"~N|4|9", "99|5|1"}


@pytest.mark.parametrize("name", CASES)
def test_a_query_for_one_row_gives_its_part_of_the_answer(engine, rows, name):
    sql, expected = CASES[name]
    whole = provenance_query(sql, dialect=engine, schema=SCHEMA, keys=KEYS)
    parameter = {"duckdb": "$key", "postgres": "%(key)s"}[engine]
    asked = re.match(r'(?:WITH .*\) )?SELECT "__o"."(\w+)"', whole.sql)[1]
    for value in {row[0] for row in expected if isinstance(row[0], int)}:
        one = provenance_query(sql, dialect=engine, schema=SCHEMA, keys=KEYS, where={asked: parameter})
        assert parameter in one.sql
        assert rows(one.sql.replace(parameter, str(value))) == {row for row in expected if row[0] == value}


def _values(found):
    return [name for name, source in found.sources.items() if source.role == "value"]


def test_the_warehouse_turns_off_what_loses_rows() -> None:
    assert DUCKDB_SETTINGS[-1] == f"set disabled_optimizers = '{','.join(LOSING_ROWS)}'"
