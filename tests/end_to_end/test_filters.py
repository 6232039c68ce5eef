"""Which filter of a model's SQL is said to leave records out: told where nothing else can, and never guessed."""

from collections.abc import Iterator

import pytest

from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

ORDERS = "{{ source('raw', 'orders') }}"
SOURCES = "version: 2\nsources: [{name: raw, schema: raw, tables: [{name: orders}]}]\n"
UNKNOWN = "unknown: "
# model: (SQL, the reason why orders 1 to 3 of 9 are not in it)
CASES = {
    "bare": (f"select id from {ORDERS} where id > 3", "filter: id > 3"),
    "star": (f"select * from {ORDERS} as o where o.id > 3", "filter: o.id > 3"),
    "chain": (
        f"with o as (\n select * from {ORDERS}\n), p as (select id as id, upper(note) as n from o\n where id > 3)\n"
        "select * from p order by id",
        "filter: id > 3",
    ),
    "comments": (
        f"/* from x join y where */ select id -- , count(*)\nfrom {ORDERS} where id > 3 -- and so on\n  and id < 99",
        "filter: id > 3 and id < 99",
    ),
    "texts": (
        f"select id, 'join where '' group by' as t from {ORDERS} where id > 3 and note <> ';)  (where'",
        "filter: id > 3 and note <> ';)  (where'",
    ),
    "quoted_names": (
        f'select id, note as "where join", 1 as "a ""limit""" from {ORDERS} where "id" > 3', 'filter: "id" > 3',
    ),
    "subquery_in_filter": (
        f"select id from {ORDERS} where id in (select x.id from {ORDERS} as x where x.id > 3 limit 100)",
        "filter: id in (select x.id from \"{db}\".\"raw\".\"orders\" as x where x.id > 3 limit 100)",
    ),
    "numbered": (f"select id, row_number() over (partition by note order by id) as n from {ORDERS} where id > 3",
                 "filter: id > 3"),
    "from_in_functions": (
        f"select id, extract(year from day) as y, id is not distinct from 4 as d from {ORDERS} where (id > 3)",
        "filter: (id > 3)",
    ),
    "cast_key": (f"select cast(o.id as bigint) as id from {ORDERS} o where id > 3", "filter: id > 3"),
    "two_filters": (f"with o as (select * from {ORDERS} where id > 1) select id from o where id > 3",
                    UNKNOWN + "its SQL has more than one WHERE"),
    "group": (f"select id from {ORDERS} where id > 3 group by id", UNKNOWN + "its SQL has GROUP"),
    "having": (f"select id from {ORDERS} group by id having id > 3", UNKNOWN + "its SQL has GROUP"),
    "distinct": (f"select distinct id from {ORDERS} where id > 3", UNKNOWN + "its SQL has DISTINCT"),
    "limited": (f"select id from {ORDERS} where id > 3 order by id limit 100", UNKNOWN + "its SQL has LIMIT"),
    "fetched": (f"select id from {ORDERS} order by id desc offset 0 rows fetch first 6 rows only",
                UNKNOWN + "its SQL has OFFSET"),
    "joined": (f"select o.id from {ORDERS} as o join {ORDERS} as p on p.id = o.id where o.id > 3",
               UNKNOWN + "its SQL has JOIN"),
    "listed": (f"select o.id from {ORDERS} as o, {ORDERS} as p where p.id = o.id and o.id > 3",
               UNKNOWN + "its SQL reads from more than one plain relation"),
    "excepted": (f"select id from {ORDERS} except select id from {ORDERS} where id <= 3",
                 UNKNOWN + "its SQL has EXCEPT"),
    "subquery": (f"select id from (select * from {ORDERS}) as o where id > 3",
                 UNKNOWN + "its SQL reads from more than one plain relation"),
    "aggregate": (f"select max(id) as id from {ORDERS} where id > 0",
                  UNKNOWN + "its SQL calls max, which may leave rows out"),
    "hidden_aggregate": (f"with m as (select max(id) as id from {ORDERS}) select id from m where id > 3",
                         UNKNOWN + "its SQL calls max, which may leave rows out"),
    "row_maker": (f"select id, unnest(case when id > 3 then array[1] else array[]::integer[] end) from {ORDERS}",
                  UNKNOWN + "its SQL calls unnest, which may leave rows out"),
    "renumbered": (f"select row_number() over (order by id) as id from {ORDERS} where id > 3",
                   UNKNOWN + "its SQL makes id itself"),
    "computed": (f"select 13 - id as id from {ORDERS} where id > 3", UNKNOWN + "its SQL makes id itself"),
    "computed_without_as": (f"select 13 - id id from {ORDERS} where id > 3", UNKNOWN + "its SQL makes id itself"),
    "swapped_in_a_chain": (f"with o(id, x) as (select 13 - id, note from {ORDERS} where id > 3) select id from o",
                           UNKNOWN + "its SQL calls o, which may leave rows out"),
    "other_column": (f"select other as id from {ORDERS} where id > 3", UNKNOWN + "its SQL makes id itself"),
    "shifted": (f"with o as (select id + 100 as shifted from {ORDERS} where id > 3) select shifted as id from o",
                UNKNOWN + "its SQL makes id itself"),
    "nested_comment": (f"select id /* a /* b */ from {ORDERS} where id > 3", "filter: id > 3"),
    "no_filter": (f"select id from {ORDERS} where id > 3 and random() < 2", "filter: id > 3 and random() < 2"),
    "hooked": ("{{ config(post_hook=['delete from {{ this }} where id < 4', '{{ batch_audit.capture_changes() }}']) }}"
               f"select id from {ORDERS}",
               UNKNOWN + "the model has hooks of its own that may change it after its SQL"),
}  # fmt: skip
DUCKDB_ONLY = {
    "nested_comment": None,
    "sampled": (f"select id from {ORDERS} using sample 100%", None),
    "from_first": (f"from {ORDERS} select id where id > 3",
                   UNKNOWN + "its SQL reads from more than one plain relation"),
    "prefix_alias": (f"select id: 13 - id from {ORDERS} where id > 3", UNKNOWN + "its SQL makes id itself"),
    "replaced": (f"select * replace (13 - id as id) from {ORDERS} where id > 3", UNKNOWN + "its SQL makes id itself"),
    "qualified": (f"select id from {ORDERS} qualify row_number() over (order by id desc) <= 6",
                  UNKNOWN + "its SQL has QUALIFY"),
}  # fmt: skip
POSTGRES_ONLY = {
    "dollars": (f"select id, $t$ where join $t$ as t, E'it\\'s where' as e from {ORDERS} where id > 3",
                "filter: id > 3"),
    "nested_comment": (f"select id /* a /* b */ where */ from {ORDERS} where id > 3",
                       UNKNOWN + "its SQL has text or comments that could not be read"),
}  # fmt: skip


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    folder = tmp_path_factory.mktemp("filters")
    config = "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': 'id'}) }}\n"
    with database(request.param, folder) as target:
        cases = cases_of(request.param)
        files = {f"models/{name}.sql": config + sql for name, (sql, _) in cases.items()}
        project = write_project(folder / "project", target, files=files | {"models/sources.yml": SOURCES})
        project.query("create schema raw")
        project.query(
            "create table raw.orders as select cast(i as integer) as id, 'n' as note, date '2026-01-01' as day,"
            " cast(13 - i as integer) as other from generate_series(1, 9) as t(i)"
        )
        forks.dbt(project, "run")
        yield Trail(project)


def cases_of(engine: str) -> dict[str, tuple[str, str | None]]:
    """The cases of an engine."""
    cases = CASES | (DUCKDB_ONLY if engine == "duckdb" else POSTGRES_ONLY)
    return {name: case for name, case in cases.items() if case is not None}


def test_the_reason_is_told_or_unknown_and_never_guessed(trail: Trail) -> None:
    expected = {
        name: reason and reason.format(db=trail.project.target.database)
        for name, (_, reason) in cases_of(trail.project.target.engine).items()
    }
    events = trail.events(event_type="record_read")
    assert {event["target"].split(".")[-1]: event["metadata"]["reason"] for event in events} == expected


def test_what_was_skipped_is_what_the_model_has_not(trail: Trail) -> None:
    for name in cases_of(trail.project.target.engine):
        there = {str(row["id"]) for row in trail.project.query(f'select id from shop."{name}"')}
        skipped = trail.events(event_type="record_skip", target=trail.node(name))
        assert {event["record_id"] for event in skipped} == {str(n) for n in range(1, 10)} - there, name


def test_the_store_proves_itself(trail: Trail) -> None:
    assert recompute.problems(trail.project) == []
