"""The shape of the answers of `provenance_query`."""

import pytest
import sqlglot
from sqlglot import exp

from batch_audit.lineage.records import BadArgument, provenance_query

SCHEMA = {
    "shop.orders": {"id": "integer", "line": "integer", "who": "integer", "amount": "double"},
    "shop.people": {"id": "integer", "name": "text"},
    "shop.notes": ["body"],
}
KEYS = {"shop.orders": ["id", "line"], "shop.people": "id"}


def ask(sql, dialect="duckdb", keys=KEYS, **options):
    return provenance_query(sql, dialect=dialect, schema=SCHEMA, keys=keys, **options)


def columns(sql):
    return [column.alias_or_name for column in sqlglot.parse_one(sql, read="duckdb").expressions]


def test_the_original_columns_come_first_and_then_the_keys_of_each_occurrence():
    found = ask(
        "select p.name, sum(o.amount) total from shop.people p"
        " join shop.orders o on o.who = p.id join orders q on q.id = o.id group by p.name"
    )
    assert list(found.sources) == ["people", "orders", "orders_2"]
    assert columns(found.sql) == [
        "name", "total", "prov_people_id",
        "prov_orders_id", "prov_orders_line", "prov_orders_2_id", "prov_orders_2_line",
    ]  # fmt: skip
    source = found.sources["orders_2"]
    assert (source.relation, source.keys, source.role) == ("shop.orders", ("id", "line"), "value")
    assert source.outputs == ("prov_orders_2_id", "prov_orders_2_line")
    assert source.slot == "slot_orders_2"


def test_an_output_that_has_the_name_of_a_key_column_keeps_it():
    found = ask("select name as prov_people_id from shop.people")
    assert columns(found.sql) == ["prov_people_id", "prov_people_id_"]
    assert found.sources["people"].outputs == ("prov_people_id_",)


@pytest.mark.parametrize(
    ("dialect", "sql", "names"),
    [
        ("duckdb", 'select Name, name as "Total Name" from people', ["Name", "Total Name"]),
        ("postgres", 'select Name, name as "Total" from people', ["name", "Total"]),
        ("snowflake", 'select Name, name as "Total" from people', ["NAME", "Total"]),
    ],
)
def test_outputs_are_spelled_as_the_engine_would_spell_them(dialect, sql, names):
    schema = {"people": {"id": "int", "name": "text"}}
    found = provenance_query(sql, dialect=dialect, schema=schema, keys={"people": ["id"]})
    outputs = [column.alias_or_name for column in sqlglot.parse_one(found.sql, read=dialect).expressions]
    assert outputs == [*names, "prov_people_id"]


def test_a_key_of_mixed_case_is_quoted():
    schema = {"people": {"Id": "int", "name": "text"}}
    found = provenance_query(
        "select name from people", dialect="postgres", schema=schema, keys={"people": "Id"}
    )
    assert 'people."Id"' in found.sql


def test_a_replay_reads_each_occurrence_from_a_slot_of_its_own():
    found = ask(
        "with q as (select * from shop.people) select a.name from q a, q b where a.id in (select who from orders)"
    )
    read = [table.name for table in sqlglot.parse_one(found.replay_sql, read="duckdb").find_all(exp.Table)]
    assert sorted(read) == sorted(source.slot for source in found.sources.values())
    assert [source.role for source in found.sources.values()] == ["value", "value", "filter"]


def test_a_filter_is_never_multiplied_with_the_values():
    found = ask("select name from shop.people p where exists (select 1 from orders o where o.who = p.id)")
    (decided,) = found.filters
    assert (decided.kind, decided.scope, list(decided.sources)) == ("exists", "row", ["orders"])
    assert "orders" not in found.sources["people"].outputs[0]
    assert columns(found.sql) == ["name", "prov_people_id"]
    assert columns(decided.sql) == ["name", "prov_orders_id", "prov_orders_line"]


def test_a_relation_without_a_key_is_traced_by_all_of_its_columns_and_not_exact():
    found = ask("select body from notes")
    assert found.sources["notes"].keys == ("body",)
    assert found.label == "superset"
    assert found.reasons == ("shop.notes has no key: rows that are equal cannot be told apart",)


def test_a_filter_that_reads_a_relation_without_a_key_is_not_exact_and_the_values_are():
    found = ask("select name from shop.people where name in (select body from notes)")
    assert (found.label, found.reasons) == ("exact", ())
    (decided,) = found.filters
    assert decided.label == "superset"
    assert decided.reasons == ("shop.notes has no key: rows that are equal cannot be told apart",)


@pytest.mark.parametrize("keys", [{"shop.people": []}, {}])
def test_keys_that_are_known_to_be_none_are_never_exact(keys):
    assert ask("select name from shop.people", keys=keys).label == "superset"


def test_more_occurrences_than_can_be_combined_are_given_as_edges_only():
    joins = " ".join(f"join shop.people p{n} on p{n}.id = p.id" for n in range(33))
    found = ask(f"select p.name from shop.people p {joins}")
    assert found.sql is None
    assert "more than 32 reads of relations: only edges_sql is given" in found.reasons
    assert found.edges_sql.count("'people_34'") == 1


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select random() from shop.people", "gives another value at each run"),
        ("select uuid() u, name from shop.people", "uuid() gives another value at each run"),
        ("select * from shop.people using sample 10%", "sample"),
        (
            "with recursive t(x) as (select 1 union all (select x + 1 from t union select id from people)"
            " order by 1) select * from t",
            "the recursive CTE t is not a UNION of a start and a step",
        ),
        (
            "select * from orders unpivot ((v, w) for n in ((id, line), (who, amount)))",
            "an UNPIVOT of (id, line) is not traced",
        ),
        ("pivot orders on who using sum(amount)", "PIVOT whose values are not listed"),
        ("select * from orders o asof right join people p on o.who >= p.id", "ASOF JOIN is not traced"),
        (
            "select o.id from people q left join (orders o join people p using (id)) on true",
            "USING and NATURAL",
        ),
        ("select * from read_csv('f.csv')", "reads a file"),
        ("select * from my_function(3) f", "table function"),
        ("select 1 + unnest([1, 2]) x, name from shop.people", "makes rows"),
        ("select * from nowhere", "the columns of nowhere are not known"),
        ("select missing from shop.people", "could not be resolved"),
        ("select p from shop.people p", "whole row"),
        ("update shop.people set name = 'x'", "not a query"),
        ("select 1; select 2", "not a script"),
        ("select from where", "could not be parsed"),
        ("", "a single query"),
        ("with x as (delete from shop.people returning id) select * from x", ""),
        ("select * from shop.people positional join shop.orders", "POSITIONAL JOIN is not traced"),
        ("select columns('n.*') from shop.people", "COLUMNS"),
        ("(" * 400 + "select 1" + ")" * 400, ""),
    ],
)
def test_what_is_not_traced_is_unknown_with_the_reason(sql, reason):
    found = ask(sql)
    assert (found.label, found.sources, found.filters, found.sql) == ("unknown", {}, (), sql)
    assert len(found.reasons) == 1
    assert reason in found.reasons[0]


def test_order_decides_whether_a_limit_is_exact():
    assert ask("select name from shop.people order by id limit 3").label == "exact"
    found = ask("select name from shop.people order by name limit 3")
    assert found.label == "superset"
    assert found.reasons == ("the order of a LIMIT or DISTINCT ON is not shown to be total by keys",)
    assert (
        ask("select o.id from orders o left join people p on p.id = o.who order by o.id, line limit 3").label
        == "exact"
    )
    # A person may have several orders: they are equal in this order.
    assert (
        ask("select p.id from people p left join orders o on p.id = o.who order by p.id limit 3").label
        == "superset"
    )


@pytest.mark.parametrize(
    ("lateral", "label"),
    [
        ("select max(id) m from orders o where o.who = p.id", "exact"),
        ("select id m from orders o where o.who = p.id order by id, line limit 1", "exact"),
        ("select id m from orders o where o.who = p.id", "superset"),
        ("select id m, line from orders o where o.who = p.id", "superset"),
    ],
)
def test_the_row_of_a_lateral_query_is_told_by_the_row_that_it_is_run_for(lateral, label):
    found = ask(
        f"select p.name, l.m from people p cross join lateral ({lateral}) l order by p.id, l.m limit 3"
    )
    assert found.label == label


def test_a_key_that_a_cte_passes_on_makes_an_order_total():
    found = ask(
        "with q as (select id as person, name from people), n as (select who, count(*) c from orders group by who)"
        " select q.person, row_number() over (partition by name order by q.person) r"
        " from q left join n on n.who = q.person order by person limit 2"
    )
    assert (found.label, found.reasons) == ("exact", ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dialect": "klingon"}, "dialect 'klingon' is not known"),
        ({"keys": {"shop.people": ["nick"]}}, "shop.people has no column nick"),
        ({"where": {"nick": "$k"}}, "`where` names nick, which is no output column. They are name."),
        ({"where": {"name": "1 or 1=1"}}, "is not a parameter"),
        ({"where": {"name": "'x'"}}, "is not a parameter"),
    ],
)
def test_a_bad_argument_says_which_and_why(options, message):
    with pytest.raises(BadArgument, match=message.replace("$", r"\$")):
        ask("select name from shop.people", **options)


def test_names_of_relations_are_found_however_much_of_them_is_written():
    for name in ("people", "shop.people", "SHOP.People", "lake.shop.people"):
        assert (
            ask(f"select name from {name}").sources["people" if name != "SHOP.People" else "People"].relation
            == "shop.people"
        )


def test_the_same_question_has_the_same_answer():
    sql = (
        "select name, count(*) from people p join orders o on o.who = p.id group by name having count(*) > 1"
    )
    assert ask(sql) == ask(sql)


@pytest.mark.parametrize("given", ["", None, 7])
def test_a_key_text_that_gives_no_sql_is_a_bad_argument(given):
    with pytest.raises(BadArgument, match=r"`key_text` gave no SQL for shop.people.id, but"):
        ask("select name from shop.people", key_text=lambda *_: given)


def test_a_key_text_that_fails_says_for_which_column():
    with pytest.raises(BadArgument, match=r"`key_text` failed for shop.people.id: KeyError: 'id'"):
        ask("select name from shop.people", key_text=lambda _, column, __: {}[column])


def test_the_text_of_a_key_is_asked_for_with_its_relation_and_column():
    asked = []

    def text(relation, column, expression):
        asked.append((relation, column))
        return f"my_text({expression})"

    found = ask("select o.amount from orders o where o.who in (select id from people)", key_text=text)
    assert set(asked) == {("shop.orders", "id"), ("shop.orders", "line"), ("shop.people", "id")}
    assert found.edges_sql.count("my_text(") == 3
    assert "my_text(" not in found.sql
