"""Data tests that fail in every way they can: the verdict, the count and the failing rows that the store keeps."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import recompute
from tests.support.project import write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

CAP = 5
BASELINE = "meta={'audit_capture': 'changes', 'audit_baseline': 'records', 'audit_key': %r}"
NASTY = ['it\'s "7"', "a|b~c", "{{ this }} {% if %}", "two\nlines", "~N", ""]
GENERIC = """
{% test at_most(model, column_name, ceiling, note='') %}
select * from {{ model }} where {{ column_name }} > {{ ceiling }} -- {{ note }}
{% endtest %}
{% macro get_where_subquery(relation) %}
  {% set where = config.get('where') %}
  {% if not where %} {{ return(relation) }} {% endif %}
  {{ return('(select * from ' ~ relation ~ ' where ' ~ where | replace('__four__', '4') ~ ') dbt_subquery') }}
{% endmacro %}
"""
# model: (config, select); each is tested and no other model reads it.
MODELS = {
    "orders": (
        BASELINE % "id",
        "select * from (values (1, 'a', 'new', 7, 10), (2, 'b', null, 7, 20), (3, 'b', 'odd', 8, 30),"
        " (4, null, null, null, 40)) as v(id, code, status, customer_id, amount)",
    ),
    "customers": ("", "select 7 as id, 'Ann' as name"),
    "pairs": (
        BASELINE % ["a", "B"],
        "select * from (values (1, 'x|y', null), (2, 'x', 'c')) as v(a, \"B\", c)",
    ),
    "keyless": ("", "select * from (values (1, null), (2, null), (3, 'x')) as v(id, note)"),
    "many": (BASELINE % "id", "select * from generate_series(1, 12) as v(id)"),
    "nasty": (
        BASELINE % "id",
        "select * from (values "
        + ", ".join(f"('{text.replace(chr(39), 2 * chr(39))}', {n})" for n, text in enumerate(NASTY))
        + ", ('null', null)) as v(id, n)",
    ),
    "named": ("", "select id, upper(name) as name from {{ ref('customers') }}"),
    "misnamed": ("", "select id, upper(name) as name from {{ ref('customers') }}"),
}
SINGULAR = {
    "with_the_key": "select amount, id, 'x' as status from {{ ref('orders') }} where id > 2",
    "without_the_key": "select 'too much' as complaint, sum(amount) as total from {{ ref('orders') }}",
    "with_equal_names": (
        "select o.id, p.id, o.code, o.code from {{ ref('orders') }} as o join {{ ref('orders') }} as p"
        " on o.id = p.id + 1 where o.id = 2"
    ),
    "with_both_keys": "select \"B\", a, c from {{ ref('pairs') }}",
    "broken": "select no_such_column from {{ ref('orders') }}",
    "switched_off": "{{ config(enabled=false) }} select 1 from {{ ref('orders') }}",
    "of_nasty": "select id, n, 'x' as \"it's {{ '{{' }} \"\"q\"\"\" from {{ ref('nasty') }}",
    "of_nothing": "select 1 as one",
    "counted_otherwise": "{{ config(fail_calc='sum(n)') }} select id, n from {{ ref('nasty') }} where n > 3",
}
DESCRIBED = """
sources:
  - name: raw
    schema: shop
    tables:
      - name: payments
        columns: [{name: paid, data_tests: [not_null: {name: source_not_null}]}]
models:
  - name: customers
    columns: [{name: id, data_tests: [unique: {name: passing}, not_null: {name: passing_too}]}]
  - name: orders
    data_tests:
      - at_most: {name: at_most_25, arguments: {column_name: amount, ceiling: 25, note: "it's one"}}
    columns:
      - name: status
        data_tests:
          - not_null: {name: null_status}
          - not_null: {name: null_where, config: {where: "id < 4"}}
          - not_null: {name: null_rewritten, config: {where: "id < __four__"}}
          - accepted_values: {name: odd_status, arguments: {values: [new]}}
          - not_null: {name: null_stored, config: {store_failures: true}}
          - not_null: {name: null_stored_view, config: {store_failures_as: view}}
      - {name: code, data_tests: [unique: {name: same_code}]}
      - name: customer_id
        data_tests: [relationships: {name: unknown_customer, arguments: {to: ref('customers'), field: id}}]
      - name: amount
        data_tests:
          - at_most: {name: warned, arguments: {ceiling: 15}, config: {severity: warn}}
          - at_most: {name: tolerated, arguments: {ceiling: 15}, config: {error_if: ">10", warn_if: ">3"}}
          - at_most: {name: nearly, arguments: {ceiling: 15}, config: {error_if: ">10", warn_if: ">2"}}
          - at_most: {name: too_many, arguments: {ceiling: 15}, config: {error_if: ">2"}}
          - at_most: {name: limited, arguments: {ceiling: 0}, config: {limit: 2}}
  - name: pairs
    columns: [{name: c, data_tests: [not_null: {name: null_c}]}]
  - name: keyless
    columns: [{name: note, data_tests: [not_null: {name: null_note}]}]
  - name: many
    columns: [{name: id, data_tests: [at_most: {name: all_of_many, arguments: {ceiling: 0}}]}]
unit_tests:
  - name: upper_works
    model: named
    given: [{input: ref('customers'), rows: [{id: 1, name: ann}]}]
    expect: {rows: [{id: 1, name: ANN}]}
  - name: upper_fails
    model: misnamed
    given: [{input: ref('customers'), rows: [{id: 1, name: ann}]}]
    expect: {rows: [{id: 1, name: Bob}]}
"""


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """One build with all the tests, then the package's views."""
    folder = tmp_path_factory.mktemp("tests")
    with database(request.param, folder) as target:
        files = {f"tests/{name}.sql": sql for name, sql in SINGULAR.items()}
        for name, (config, sql) in MODELS.items():
            files[f"models/{name}.sql"] = f"{{{{ config(materialized='table', {config}) }}}}\n" + (
                sql if "ref(" in sql else f"{{% raw %}}{sql}{{% endraw %}}"
            )
        files |= {"macros/at_most.sql": GENERIC, "models/described.yml": DESCRIBED}
        project = write_project(
            folder / "project", target, files=files, variables={"batch_audit_max_test_rows": CAP}
        )
        target.query("create schema shop")
        target.query("create table shop.payments as select 1 as id, cast(null as integer) as paid")
        built = project.dbt("build", check=False)
        assert built.returncode == 1, built.stdout
        project.dbt(
            "run", "--select", "package:batch_audit", "--target-path", "target/batch_audit", "--vars",
            json.dumps({"batch_audit_models": True, "batch_audit_enabled": False}),
        )  # fmt: skip
        yield Trail(project)


# test: (dbt's status, its failure count, the records that its failing rows are)
FAILING: dict[str, tuple[str, int, list[str]]] = {
    "null_status": ("fail", 2, ["2", "4"]),
    "null_where": ("fail", 1, ["2"]),
    "null_stored": ("fail", 2, ["2", "4"]),
    "null_stored_view": ("fail", 2, ["2", "4"]),
    "odd_status": ("fail", 1, ["3"]),
    "same_code": ("fail", 1, ["2", "3"]),
    "unknown_customer": ("fail", 1, ["3"]),
    "at_most_25": ("fail", 2, ["3", "4"]),
    "warned": ("warn", 3, ["2", "3", "4"]),
    "nearly": ("warn", 3, ["2", "3", "4"]),
    "too_many": ("fail", 3, ["2", "3", "4"]),
    "with_the_key": ("fail", 2, ["3", "4"]),
    "with_equal_names": ("fail", 1, ["2"]),
    "null_c": ("fail", 1, ["1|x~1y"]),
    "with_both_keys": ("fail", 2, ["1|x~1y", "2|x"]),
    "counted_otherwise": ("fail", 9, ["", "~0N"]),
}
# test: (failure count, how many of its rows are kept, the records that they may be)
CAPPED = {
    "all_of_many": (12, CAP, {str(n) for n in range(1, 13)}),
    "of_nasty": (7, CAP, {text.replace("~", "~0").replace("|", "~1") for text in [*NASTY, "null"]}),
    "limited": (2, 2, {"1", "2", "3", "4"}),
}
# test: (failure count, its rows, why their records are not known)
UNMATCHED: dict[str, tuple[int, list[dict[str, str | None]], str]] = {
    "source_not_null": (1, [{"paid": None}], "the test is about a source, which has no record key"),
    "of_nothing": (1, [{"one": "1"}], "the test is about no model"),
    "null_rewritten": (
        1,
        [{"status": None}],
        "the project rewrites the test's where, so it is not known which records were tested",
    ),
    "null_note": (2, [{"note": None}, {"note": None}], "keyless has no record key"),
    "without_the_key": (
        1,
        [{"complaint": "too much", "total": "100"}],
        "the test returns neither the key of orders (id) nor any of its columns",
    ),
}
PASSING = ["passing", "passing_too", "tolerated", "upper_works"]
# test: (dbt's status, its failure count, why it has no rows)
WITHOUT_ROWS = {
    "broken": ("error", None, "the test was not evaluated"),
    "upper_fails": ("fail", 1, "a unit test has no rows of the warehouse: the message shows what differs"),
}


def verdict(trail: Trail, test: str) -> dict[str, Any]:
    """The one validation of a test."""
    (found,) = [
        event
        for event in trail.events(part="end")
        if event["event_type"].startswith("validation_") and event["metadata"]["name"] == test
    ]
    return found


def failing_rows(trail: Trail, test: str) -> list[dict[str, Any]]:
    rows = trail.events(event_type="record_error", source=verdict(trail, test)["source"])
    assert {row["target"] for row in rows} <= {verdict(trail, test)["target"]}
    return rows


def reported(trail: Trail, test: str) -> tuple[Any, ...]:
    """What rpt_validation_results says of a test: status, passed, failures, rows, capped, and why there are none."""
    (row,) = trail.project.audit(
        "select status, passed, failures, rows_recorded, rows_capped, rows_reason"
        f" from {{audit}}.rpt_validation_results where test_name = '{test}'"
    )
    return tuple(row.values())


def test_every_test_has_one_verdict_and_a_disabled_one_none(trail: Trail) -> None:
    rows = trail.project.audit("select test_name from {audit}.rpt_validation_results")
    expected = [*FAILING, *CAPPED, *UNMATCHED, *PASSING, *WITHOUT_ROWS]
    assert sorted(row["test_name"] for row in rows) == sorted(expected)
    assert recompute.problems(trail.project) == []


@pytest.mark.parametrize("test", FAILING)
def test_failing_rows_are_kept_with_the_records_that_they_are(trail: Trail, test: str) -> None:
    status, failures, records = FAILING[test]
    found = verdict(trail, test)
    assert found["event_type"] == "validation_fail"
    assert (found["metadata"]["status"], found["metadata"]["failures"]) == (status, failures)
    assert found["metadata"]["severity"] == ("warn" if test == "warned" else "error")
    assert sorted(row["record_id"] for row in failing_rows(trail, test)) == records
    captured = {row["record_id"] for row in trail.events(event_type="record_write", target=found["target"])}
    assert set(records) <= captured
    assert reported(trail, test) == (status, False, failures, len(records), False, None)


@pytest.mark.parametrize("test", CAPPED)
def test_no_more_rows_are_kept_than_were_asked_for_and_the_count_is_still_the_whole(
    trail: Trail, test: str
) -> None:
    failures, kept, records = CAPPED[test]
    found = [row["record_id"] for row in failing_rows(trail, test)]
    assert len(set(found)) == len(found) == kept
    assert set(found) <= records
    assert reported(trail, test) == ("fail", False, failures, kept, True, None)


@pytest.mark.parametrize("test", UNMATCHED)
def test_a_row_whose_record_is_not_known_says_why(trail: Trail, test: str) -> None:
    failures, rows, reason = UNMATCHED[test]
    found = failing_rows(trail, test)
    assert [row["new_value"] for row in found] == rows
    assert {row["record_id"] for row in found} == {None}
    assert [row["metadata"] for row in found] == [{"matched": "none", "reason": reason}] * len(rows)
    assert reported(trail, test) == ("fail", False, failures, len(rows), False, None)
    shown = trail.project.audit(
        f"select matched, reason, record_id from {{audit}}.rpt_record_errors where test_name = '{test}'"
    )
    assert [tuple(row.values()) for row in shown] == [("none", reason, None)] * len(rows)


@pytest.mark.parametrize("test", WITHOUT_ROWS)
def test_a_test_without_rows_says_why(trail: Trail, test: str) -> None:
    status, failures, reason = WITHOUT_ROWS[test]
    found = verdict(trail, test)
    assert found["event_type"] == "validation_fail"
    assert found["error_message"]
    assert failing_rows(trail, test) == []
    assert reported(trail, test) == (status, False, failures, 0, False, reason)


@pytest.mark.parametrize("test", PASSING)
def test_a_passing_test_leaves_no_rows_and_needs_no_reason(trail: Trail, test: str) -> None:
    found = verdict(trail, test)
    assert (found["event_type"], found["error_message"]) == ("validation_pass", None)
    assert failing_rows(trail, test) == []
    assert reported(trail, test) == ("pass", True, 0, 0, False, None)


def test_values_of_failing_rows_are_kept_as_they_are(trail: Trail) -> None:
    rows = trail.events(event_type="record_error", source="test.shop.of_nasty")
    texts = {
        None if row["new_value"]["n"] is None else int(row["new_value"]["n"]): row["new_value"]["id"]
        for row in rows
    }
    assert len(texts) == CAP
    assert {n: text for n, text in texts.items() if n is not None} == {
        n: NASTY[n] for n in texts if n is not None
    }
    assert {tuple(sorted(row["new_value"])) for row in rows} == {("id", 'it\'s {{ "q"', "n")}
    (equal,) = failing_rows(trail, "with_equal_names")
    second = {"duckdb": ("id_1", "code_1"), "postgres": ("id_2", "code_4")}[trail.project.target.engine]
    assert equal["new_value"] == {"id": "2", "code": "b", second[0]: "1", second[1]: "b"}


def test_the_end_of_the_batch_counts_tests_and_rows(trail: Trail) -> None:
    (end,) = trail.events(event_type="batch_end")
    counted = {name: end["metadata"][name] for name in end["metadata"] if name.startswith("tests_")}
    assert counted == {
        "tests_passed": len(PASSING), "tests_failed": 23, "tests_warned": 2, "tests_errored": 1, "tests_skipped": 0
    }  # fmt: skip
    recorded = trail.events(event_type="record_error")
    assert end["metadata"]["record_errors"] == len(recorded) == 48
    assert (end["metadata"]["status"], end["metadata"]["reason"]) == ("error", None)
