"""No generated query is called exact whose rows do not come out again from the rows that they came from."""

import os
import random

import duckdb
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from batch_audit.lineage.records import DUCKDB_SETTINGS, provenance_query
from tests.lineage_oracle import queries
from tests.lineage_oracle.record_queries import TABLES, query
from tests.lineage_oracle.replays import Replay, Replayed, replay

SCHEMA = {table: dict.fromkeys(columns, "bigint") for table, columns in TABLES.items()}
KEYS = {table: ["id"] for table in TABLES}
LABELS: dict[str, int] = {}


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        settle(opened)
        fill(opened, TABLES, 5)
        yield opened


def settle(connection):
    """One thread, and the settings that a caller makes."""
    for statement in ("set threads = 1", *DUCKDB_SETTINGS):
        connection.execute(statement)


def fill(connection, tables, rows):
    """Small tables of few values, many of them equal, some NULL."""
    for place, (table, columns) in enumerate(tables.items()):
        values = ", ".join(
            f"nullif((i * {7 + place * 4 + at * 3} + {at}) % 4, 3)::bigint as {column}"
            for at, column in enumerate(columns)
            if column != "id"
        )
        connection.execute(
            f"create table {table} as select i::bigint as id, {values} from range({rows + place}) r(i)"
        )


def check(connection, sql, schema, keys):
    note(sql)
    try:
        connection.execute(sql)
    except duckdb.Error as error:
        assert isinstance(error, duckdb.BinderException | duckdb.ConversionException), (error, sql)
        return
    try:
        seen = replay(connection, sql, schema, keys, most=4)
    except duckdb.InternalException:  # a fault of DuckDB's own optimizer, which closes the database
        pytest.skip("DuckDB gave up on a query")
    LABELS[seen.label] = LABELS.get(seen.label, 0) + 1
    assert not seen.wrong_rows
    assert not (seen.label == "exact" and seen.failed), seen.failed
    assert not any("could not be read" in reason for reason in seen.reasons), seen.reasons


@settings(
    max_examples=int(os.environ.get("ORACLE_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**48), depth=st.sampled_from([0, 0, 1]))
def test_rows_that_are_called_exact_come_out_again(connection, seed, depth):
    draw = random.Random(seed)  # noqa: S311 (a seed varies more than drawn parts, and is as easy to repeat)
    check(connection, query(draw, depth)[0], SCHEMA, KEYS)


@settings(
    max_examples=int(os.environ.get("ORACLE_EXAMPLES", "20")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**48))
def test_so_do_the_queries_that_column_lineage_is_tried_with(seed):
    draw = random.Random(seed)  # noqa: S311
    tables = {table: ["id", *columns] for table, columns in queries.TABLES.items()}
    with duckdb.connect() as connection:
        settle(connection)
        fill(connection, tables, 8)
        schema = {table: dict.fromkeys(columns, "bigint") for table, columns in tables.items()}
        check(connection, queries.query(draw, 1)[0], schema, {table: ["id"] for table in tables})


def test_few_queries_are_left_without_an_answer():
    """Runs after the generated queries."""
    if sum(LABELS.values()) < 50:
        pytest.skip("the generated queries ran in another process")
    print(LABELS)  # noqa: T201 (the shares are the result)
    assert LABELS.get("unknown", 0) <= 0.1 * sum(LABELS.values())
    assert LABELS.get("exact", 0) >= 0.5 * sum(LABELS.values())


# Shapes in which a row does not come out again: found by the oracle, or foreseen.
BLOCKED = {
    "an outer join under a filter on its partner, and an aggregate": (
        "select count(*) from (select x.id i, y.id j from r x cross join w y) p"
        " left join s z on z.a = p.i and z.c = p.j where z.id is null"
    ),
    "rows that an aggregate takes away": "select a from r except select min(a) from s",
    "rows that are taken away by a window's, with a subquery of their own": (
        "select a, b from r except select x.id, (select sum(q.b) from w q where q.id = x.id)"
        " from r x qualify row_number() over (order by x.id) <= 2"
    ),
    "a window that is ordered by a subquery": (
        "select id, row_number() over (order by (select max(s.c) from s where s.a = r.a), id) from r"
    ),
    "a window that adds up a subquery": (
        "select id, sum((select max(s.c) from s where s.a = r.a)) over (order by id) from r"
    ),
    "a lateral aggregate beside a combination, and groups by it": (
        "select m, count(*) from (select l.m from r x cross join s y"
        " cross join lateral (select max(w.id) m from w where w.b = x.a and w.c = y.c) l) q group by m"
    ),
    "a group by a number of rows that may shrink": (
        "select n, count(*) from (select x.a, count(*) n from r x, s y where x.a <> y.a group by x.a) q group by n"
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
def test_a_row_that_others_kept_as_it_is_is_not_called_exact(connection, name):
    found = provenance_query(BLOCKED[name], dialect="duckdb", schema=SCHEMA, keys=KEYS)
    assert found.label == "superset"
    assert found.reasons


# The values come out again; what decided is not all listed: the kinds of the filters that are `unknown`.
UNLISTED = {
    "a window over rows that a predicate kept": (
        "select x.c, count(x.a) over (order by x.id) from s x where x.a in (select z.a from s z where z.a > 0)",
        {"in"},
    ),
    "an anti-join of combinations under an aggregate": (
        "select count(*) from r x join w y on true"
        " where not exists (select 1 from s z where z.a = x.id and z.id = y.id)",
        {"exists"},
    ),
    "OFFSET over rows that a predicate kept": (
        "select id from r where exists (select 1 from s where s.a = r.a) order by id limit 2 offset 1",
        {"exists"},
    ),
    "combinations in the order of a subquery": (
        "select x.id, y.id i from r x, s y order by (select count(*) from w t where t.c = x.a), x.id, y.id limit 3",
        {"scalar"},
    ),
    "a predicate on rows of an order that leaves a choice": (
        "select id, a from r where a in (select a from s order by a limit 3)",
        {"in"},
    ),
    "a window over groups that a predicate kept": (
        "select a, sum(n) over (order by a) from"
        " (select a, count(*) n from r group by a having a in (select c from s)) q",
        {"in"},
    ),
}


@pytest.mark.parametrize("name", UNLISTED)
def test_a_filter_without_all_of_its_rows_says_so_and_leaves_the_values_exact(connection, name):
    sql, kinds = UNLISTED[name]
    found = provenance_query(sql, dialect="duckdb", schema=SCHEMA, keys=KEYS)
    assert (found.label, found.reasons) == ("exact", ())
    unknown = [one for one in found.filters if one.label == "unknown"]
    assert {one.kind for one in unknown} == kinds
    assert all(one.reasons and one.sql for one in unknown)
    seen = replay(connection, sql, SCHEMA, KEYS, most=9)
    assert (seen.wrong_rows, seen.failed) == ("", [])


def test_with_the_settings_duckdb_keeps_the_rows_of_both_sides_of_a_join_with_itself(connection):
    """Without them, DuckDB 2.0.0 answers the branch of the second occurrence with the rows of the first."""
    sql = "select x.b, (select count(q.b) from r q where q.b = y.a) from r x cross join r y"
    found = provenance_query(
        f"select b from ({sql}) except select null", dialect="duckdb", schema=SCHEMA, keys=KEYS
    )
    edges = {row for row in connection.execute(found.edges_sql).fetchall() if row[1] != "r_3"}
    base = connection.execute(
        "select distinct x.b, 'r' o, x.id::text k from r x where x.b is not null"
        " union all select distinct x.b, 'r_2', y.id::text from r x cross join r y where x.b is not null"
    ).fetchall()
    assert edges == {(*row, "value") for row in base}


def test_the_oracle_sees_a_row_that_is_left_out_of_an_answer(connection):
    sql = "select a, sum(id + 1) from r group by a"
    found = provenance_query(sql, dialect="duckdb", schema=SCHEMA, keys=KEYS)
    whole, maimed = Replay(connection, sql, found), Replay(connection, sql, found)
    for kept in maimed.traced.values():
        kept["r"] = set(sorted(kept["r"])[1:])
    seen, missed = Replayed(), Replayed()
    whole.check(seen, 9)
    maimed.check(missed, 9)
    assert seen.records and not seen.failed
    assert len(missed.failed) == 2 * missed.records


def test_an_answer_has_no_row_that_does_not_matter(connection):
    """Sums change with every row that is taken away: none is traced in vain."""
    seen = replay(
        connection, "select x.a, sum(x.id + 1), sum(y.id + 1) from r x join s y on x.a = y.a group by x.a",
        SCHEMA, KEYS, most=9, removals=50,
    )  # fmt: skip
    assert seen.removed > 5
    assert seen.over == 0
