"""Record edges by declaration: plain dbt, no runner, `audit_inputs` says which columns join."""

import json
from collections.abc import Callable
from typing import Any

from batch_audit.ledger.text import record_text, sha256_hex
from tests.support.project import DISPATCH, HOOK, Project
from tests.support.runs import assert_proved

FILES = {
    "seeds/people.csv": "id,name\n1,Ann\n2,Bo|b\n",
    "models/revenue.sql": (
        "select p.id as person_id, p.name, sum(o.amount) as amount from {{ ref('people') }} as p"
        " join {{ source('raw', 'orders') }} as o on o.person_id = p.id group by p.id, p.name"
    ),
    "models/schema.yml": """
version: 2
sources:
  - name: raw
    schema: raw
    tables:
      - name: orders
        columns: [{name: id, data_tests: [unique, not_null]}]
seeds:
  - name: people
    columns: [{name: id, data_tests: [unique, not_null]}]
models:
  - name: revenue
    config:
      materialized: table
      meta:
        audit_capture: changes
        audit_lineage: declared
        audit_inputs: {raw.orders: person_id, people: id}
    columns: [{name: person_id, data_tests: [unique, not_null]}]
""",
}
REVENUE, PEOPLE, ORDERS = "model.shop.revenue", "seed.shop.people", "source.shop.raw.orders"


def edges(project: Project) -> list[dict[str, Any]]:
    return project.audit(
        "select * from {audit}.audit_record_edge order by batch_id, source, source_record_id"
    )


def made(make_project: Callable[..., Project], files: dict[str, str]) -> Project:
    project = make_project(
        files=files, hook=False, config={"dispatch": DISPATCH, "models": {"shop": {"+post-hook": HOOK}}}
    )
    project.query("create schema raw")
    project.query("create table raw.orders (id bigint, person_id bigint, amount numeric(9, 2))")
    project.query("insert into raw.orders values (10, 1, 5.00), (11, 1, 7.50), (12, 2, 1.25)")
    return project


def test_the_capture_writes_what_audit_inputs_declares(make_project: Callable[..., Project]) -> None:
    project = made(make_project, FILES)
    project.dbt("build", "--exclude", "test_type:generic")
    first = edges(project)
    assert {(row["target_record_id"], row["source"], row["source_record_id"]) for row in first} == {
        ("1", ORDERS, "10"), ("1", ORDERS, "11"), ("2", ORDERS, "12"), ("1", PEOPLE, "1"), ("2", PEOPLE, "2"),
    }  # fmt: skip
    assert {(row["target"], row["step"], row["role"], row["label"]) for row in first} == {
        (REVENUE, "declared", "value", "unknown")
    }
    assert sorted(row["seq"] for row in first) == [1, 2, 3, 4, 5]
    hashes = {(row["source"], row["source_record_id"]): row["source_hash"] for row in first}
    order = {"id": "12", "person_id": "2", "amount": "1.25"}
    assert hashes[ORDERS, "12"] == sha256_hex(record_text(ORDERS, order))
    assert hashes[PEOPLE, "2"] == sha256_hex(record_text(PEOPLE, {"id": "2", "name": "Bo|b"}))
    revenue = {"person_id": "2", "name": "Bo|b", "amount": "1.25"}
    assert {row["target_hash"] for row in first if row["target_record_id"] == "2"} == {
        sha256_hex(record_text(REVENUE, revenue))
    }

    project.query("update raw.orders set amount = 1 where id = 12")
    project.dbt("build", "--exclude", "test_type:generic")
    known = {row["batch_id"] for row in first}
    second = [row for row in edges(project) if row["batch_id"] not in known]
    assert {(row["target_record_id"], row["source"], row["source_record_id"]) for row in second} == {
        ("2", ORDERS, "12"), ("2", PEOPLE, "2"),
    }  # fmt: skip
    assert_proved(project)


def test_an_input_without_a_key_and_a_setting_that_is_not_known_are_said(
    make_project: Callable[..., Project],
) -> None:
    tested = "        columns: [{name: id, data_tests: [unique, not_null]}]\n"
    loose = FILES["models/schema.yml"].replace(tested, "", 1)
    project = made(make_project, FILES | {"models/schema.yml": loose})
    project.dbt("build", "--exclude", "test_type:generic")
    [row] = [row for row in edges(project) if row["source"] == ORDERS]
    assert (row["target_record_id"], row["source_record_id"], row["label"]) == (None, None, "unknown")
    assert "no key that is known" in row["reason"]

    project.write(
        "models/schema.yml", FILES["models/schema.yml"].replace("lineage: declared", "lineage: rows")
    )
    done = project.dbt("run", check=False)
    assert done.returncode == 1
    assert "its audit_lineage is rows" in done.stdout
    told = json.loads(project.read("target/run_results.json"))["results"]
    assert [one["status"] for one in told if one["unique_id"] == REVENUE] == ["error"]
