"""Record edges that a run stores: which records each changed record was made of, on both engines."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from batch_audit.ledger.text import record_text, sha256_hex
from tests.support.project import DISPATCH, HOOK, Project
from tests.support.runs import assert_proved, run

pytestmark = pytest.mark.prepared

CAPTURED = "meta: {audit_capture: changes, audit_lineage: records}"
FILES = {
    "models/people.sql": "{{ config(materialized='view') }}\nselect id, name from {{ source('raw', 'people') }}",
    "models/paid.sql": "{{ config(materialized='ephemeral') }}\nselect * from {{ source('raw', 'orders') }} where paid",
    "models/revenue.sql": (
        "select p.id as person_id, p.name, count(o.id) as orders, sum(o.amount) as amount from {{ ref('people') }} as p"
        " left join {{ ref('paid') }} as o on o.person_id = p.id"
        " where p.id in (select person_id from {{ source('raw', 'allowed') }}) group by p.id, p.name"
    ),
    "models/shares.sql": "select name, amount / 10 as share from {{ ref('revenue') }}",
    "models/newest.sql": (
        "{{ config(materialized='incremental', unique_key='id') }}\n"
        "select id, amount, changed_at from {{ source('raw', 'orders') }}"
        "{% if is_incremental() %} where changed_at > (select max(changed_at) from {{ this }}){% endif %}"
    ),
    "models/noted.sql": (
        "select o.id, o.note, p.name from {{ source('raw', 'notes') }} as o"
        " left join {{ source('raw', 'people') }} as p on p.id = o.id"
    ),
    # Named like what it reads, and not reading itself.
    "models/orders.sql": (
        "{{ config(materialized='incremental', unique_key='id') }}\n"
        "select id, amount from {{ source('raw', 'orders') }}"
    ),
    "models/loose.sql": "select id from {{ ref('revenue') }} cross join (select 1 as id) as one",
    "models/schema.yml": f"""
version: 2
sources:
  - name: raw
    schema: raw
    tables:
      - name: people
        columns: [{{name: id, data_tests: [unique, not_null]}}]
      - name: orders
        columns: [{{name: id, data_tests: [unique, not_null]}}]
      - name: notes
        columns: [{{name: id, data_tests: [unique, not_null]}}]
      - name: allowed
        columns: [{{name: person_id, data_tests: [unique, not_null]}}]
models:
  - name: revenue
    config: {{materialized: table, {CAPTURED}}}
    columns: [{{name: person_id, data_tests: [unique, not_null]}}]
  - name: shares
    config: {{materialized: table, {CAPTURED}}}
    columns: [{{name: name, data_tests: [unique, not_null]}}]
  - name: noted
    config: {{materialized: table, {CAPTURED}}}
    columns: [{{name: id, data_tests: [unique, not_null]}}]
  - name: newest
    config: {{{CAPTURED}}}
  - name: orders
    config: {{{CAPTURED}}}
  - name: loose
    config: {{materialized: table, meta: {{audit_lineage: records}}}}
""",
}  # fmt: skip
REVENUE, SHARES, NEWEST, LOOSE = (f"model.shop.{name}" for name in ("revenue", "shares", "newest", "loose"))
NOTED, CHANCE, OWN = (f"model.shop.{name}" for name in ("noted", "chance", "orders"))
PEOPLE, ORDERS, ALLOWED = (f"source.shop.raw.{name}" for name in ("people", "orders", "allowed"))


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    made = make_project(
        files=FILES, hook=False, config={"dispatch": DISPATCH, "models": {"shop": {"+post-hook": HOOK}}}
    )
    made.query("create schema raw")
    made.query("create table raw.people (id int, name varchar(20))")
    made.query("insert into raw.people values (1, 'Ann'), (2, 'Bo|b'), (3, 'Cy')")
    made.query(
        "create table raw.orders (id int, person_id int, amount numeric(9, 2), paid boolean, changed_at date)"
    )
    made.query(
        "insert into raw.orders values (10, 1, 5.00, true, '2026-01-01'), (11, 1, 7.50, true, '2026-01-02'),"
        " (12, 2, 1.25, true, '2026-01-02'), (13, 2, 9.00, false, '2026-01-03')"
    )
    made.query("create table raw.allowed (person_id int)")
    made.query("insert into raw.allowed values (1), (2), (3)")
    made.query("create table raw.notes (id int, note json)")  # a type that PostgreSQL cannot compare
    made.query("""insert into raw.notes values (1, '{"a": 1}'), (9, null)""")
    return made


def edges(project: Project, batch_id: str, target: str) -> list[dict[str, Any]]:
    return project.audit(
        "select target_record_id, target_hash, source, source_record_id, source_hash, step, role, label, reason"
        f" from {{audit}}.audit_record_edge where batch_id = '{batch_id}' and target = '{target}'"
        " order by source, role, target_record_id, source_record_id"
    )


def pairs(rows: list[dict[str, Any]], source: str, role: str = "value") -> set[tuple[str, str]]:
    return {
        (row["target_record_id"], row["source_record_id"])
        for row in rows
        if (row["source"], row["role"]) == (source, role)
    }


def test_the_edges_of_what_changed_are_stored_with_the_hashes_of_both_ends(project: Project) -> None:
    status, first = run(project, "dbt", "run")
    assert (status, first["notes"]) == (0, [])
    rows = edges(project, first["batch_id"], REVENUE)
    assert pairs(rows, PEOPLE) == {("1", "1"), ("2", "2"), ("3", "3")}
    assert pairs(rows, ORDERS) == {("1", "10"), ("1", "11"), ("2", "12")}
    assert pairs(rows, ALLOWED, "filter") == {("1", "1"), ("2", "2"), ("3", "3")}
    assert {(row["step"], row["label"], row["reason"]) for row in rows if row["role"] == "value"} == {
        ("aggregate", "exact", None)
    }
    noted = edges(project, first["batch_id"], NOTED)
    assert {(row["target_record_id"], row["source"], row["source_record_id"]) for row in noted} == {
        ("1", "source.shop.raw.notes", "1"), ("9", "source.shop.raw.notes", "9"), ("1", PEOPLE, "1"),
    }  # fmt: skip
    order = {"id": "10", "person_id": "1", "amount": "5", "paid": "true", "changed_at": "2026-01-01"}
    person = {"id": "2", "name": "Bo|b"}
    made = {"person_id": "1", "name": "Ann", "orders": "2", "amount": "12.5"}
    hashes = {(row["source"], row["source_record_id"]): row["source_hash"] for row in rows}
    assert hashes[ORDERS, "10"] == sha256_hex(record_text(ORDERS, order))
    assert hashes[PEOPLE, "2"] == sha256_hex(record_text(PEOPLE, person))
    assert {row["target_hash"] for row in rows if row["target_record_id"] == "1"} == {
        sha256_hex(record_text(REVENUE, made))
    }

    status, second = run(project, "dbt", "run")
    assert (status, edges(project, second["batch_id"], REVENUE)) == (0, [])

    project.query("update raw.orders set amount = 8 where id = 11")
    status, third = run(project, "dbt", "run")
    rows = edges(project, third["batch_id"], REVENUE)
    assert pairs(rows, PEOPLE) == {("1", "1")}
    assert pairs(rows, ORDERS) == {("1", "10"), ("1", "11")}
    captured = project.audit(
        "select p.record_hash from {audit}.audit_event as e join {audit}.audit_payload as p on p.event_id = e.event_id"
        f" where e.batch_id = '{third['batch_id']}' and e.target = '{REVENUE}'"
    )
    assert {row["target_hash"] for row in rows} == {captured[0]["record_hash"]}
    assert_proved(project)
    lineage = project.audit(
        "select depth, made_node_name, source_id, source_record_id, role, label, is_ultimate, is_same_version, batch_id"
        f" from {{audit}}.rpt_record_lineage where node_id = '{SHARES}' and record_id = 'Ann'"
    )
    assert {tuple(row.values())[:-1] for row in lineage} == {
        (1, "shares", REVENUE, "1", "value", "exact", False, True),
        (2, "revenue", PEOPLE, "1", "value", "exact", True, None),
        (2, "revenue", ORDERS, "10", "value", "exact", True, None),
        (2, "revenue", ORDERS, "11", "value", "exact", True, None),
        (2, "revenue", ALLOWED, "1", "filter", "exact", True, None),
    }
    assert {row["batch_id"] for row in lineage} == {third["batch_id"]}
    [cost] = project.audit(
        "select label, records_changed, records_traced, edges, edges_s > 0 as measured, build_s > 0 as built from"
        f" {{audit}}.rpt_record_edge_costs where batch_id = '{third['batch_id']}' and node_name = 'revenue'"
    )
    assert tuple(cost.values()) == ("exact", 1, 1, 4, True, True)


def test_an_incremental_model_is_traced_to_what_it_read_in_this_batch(project: Project) -> None:
    status, _ = run(project, "dbt", "run")
    assert status == 0
    project.query(
        "insert into raw.orders values (14, 3, 2.00, true, '2026-01-04'), (15, 3, 3.00, true, '2026-01-02')"
    )
    status, second = run(project, "dbt", "run", "--select", "newest")
    assert (status, second["notes"]) == (0, [])
    rows = edges(project, second["batch_id"], NEWEST)
    assert pairs(rows, ORDERS) == {("14", "14")}
    assert {row["label"] for row in rows if row["source"] == ORDERS} == {"exact"}
    about_all = [row for row in rows if row["source"] == NEWEST]
    assert [(row["role"], row["target_record_id"], row["source_record_id"]) for row in about_all] == [
        ("filter", None, None)
    ]
    assert "every record" in about_all[0]["reason"]


def test_what_cannot_be_traced_is_one_edge_that_says_why(project: Project) -> None:
    project.write("models/chance.sql", "select id, random() as r from {{ source('raw', 'orders') }}")
    project.write(
        "models/chance.yml",
        "models: [{name: chance, columns: [{name: id, data_tests: [unique]}],"
        f" config: {{materialized: table, {CAPTURED}}}}}]",
    )
    status, first = run(project, "dbt", "run")
    assert status == 0
    [loose] = edges(project, first["batch_id"], LOOSE)
    [chance] = edges(project, first["batch_id"], CHANCE)
    for row in (loose, chance):
        assert (row["label"], row["target_record_id"], row["source"]) == ("unknown", None, None)
    assert "not captured" in loose["reason"]
    assert "another value at each run" in chance["reason"]
    told = project.audit(
        "select target, metadata from {audit}.audit_event where part = 'record_lineage' and"
        f" batch_id = '{first['batch_id']}'"
    )
    found = {row["target"]: json.loads(row["metadata"]) for row in told}
    assert {name: one["status"] for name, one in found.items()} == {
        **dict.fromkeys((REVENUE, NOTED, OWN, SHARES, NEWEST), "exact"),
        **dict.fromkeys((LOOSE, CHANCE), "unknown"),
    }  # fmt: skip
    assert (found[REVENUE]["records_changed"], found[REVENUE]["records_traced"], found[REVENUE]["edges"]) == (
        3,
        3,
        9,
    )


def test_an_edge_that_is_edited_is_found(project: Project) -> None:
    status, first = run(project, "dbt", "run")
    assert status == 0
    project.audit(
        "update {audit}.audit_record_edge set source_record_id = '13' where source_record_id = '12'"
        f" and batch_id = '{first['batch_id']}'"
    )
    done = project.batch_audit("verify", "--format", "json", check=False)
    assert done.returncode == 1
    assert "audit_record_edge" in done.stdout
