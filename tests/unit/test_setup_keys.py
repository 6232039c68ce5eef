"""The record key is read from a manifest in the documented order of rules."""

from typing import Any

import pytest

from batch_audit.setup.keys import RULES, RecordKey, record_key


def node(**fields: Any) -> dict[str, Any]:
    """A model's entry in a manifest."""
    return {
        "unique_id": "model.shop.orders",
        "columns": {},
        "constraints": [],
        "config": {"meta": {}},
    } | fields


def test(name: str, **arguments: Any) -> dict[str, Any]:
    """A generic test's entry in a manifest."""
    return {"test_metadata": {"name": name, "kwargs": arguments}, "attached_node": "model.shop.orders"}


test.__test__ = False  # type: ignore[attr-defined]

COMBINATION = test("unique_combination_of_columns", combination_of_columns=["order_id", "line"])
UNIQUE = test("unique", column_name="number")
NOT_NULL = test("not_null", column_name="number")
PRIMARY = {"type": "primary_key", "columns": ["b", "a"]}


@pytest.mark.parametrize(
    ("model", "tests", "expected"),
    [
        (node(config={"meta": {"audit_key": "id"}}), [], RecordKey(("id",), "audit_key")),
        (node(config={"meta": {"audit_key": ["b", "a"]}}), [], RecordKey(("b", "a"), "audit_key")),
        (node(config={}, meta={"audit_key": "id"}), [], RecordKey(("id",), "audit_key")),
        (node(constraints=[PRIMARY]), [], RecordKey(("a", "b"), "primary_key constraint")),
        (
            node(columns={"x": {}, "id": {"constraints": [{"type": "primary_key"}]}}),
            [],
            RecordKey(("id",), "primary_key constraint"),
        ),
        (node(), [UNIQUE, NOT_NULL], RecordKey(("number",), "unique and not_null tests")),
        (node(), [UNIQUE, test("not_null", column_name="x")], RecordKey(("number",), "unique test")),
        (node(), [COMBINATION], RecordKey(("line", "order_id"), "unique combination test")),
        (node(primary_key=["z", "y"]), [], RecordKey(("y", "z"), "primary_key inferred by dbt")),
    ],
)
def test_each_rule_gives_its_columns(
    model: dict[str, Any], tests: list[dict[str, Any]], expected: RecordKey
) -> None:
    assert record_key(model, tests) == expected


def test_an_earlier_rule_wins_over_all_later_ones() -> None:
    everything = node(
        config={"meta": {"audit_key": "stated"}, "unique_key": ["matched", "too"]},
        constraints=[PRIMARY],
        primary_key=["dbt"],
    )
    tests = [
        COMBINATION,
        UNIQUE,
        test("unique", column_name="code"),
        test("not_null", column_name="code"),
    ]
    rules = []
    while key := record_key(everything, tests):
        rules.append(key.rule)
        if key.rule == "audit_key":
            everything["config"] = {"meta": {}, "unique_key": ["matched", "too"]}
        elif key.rule == "primary_key constraint":
            everything["constraints"] = []
        elif key.rule == "primary_key inferred by dbt":
            everything["primary_key"] = []
        elif key.rule == "unique_key of the model":
            assert key.columns == ("matched", "too")
            everything["config"] = {"unique_key": ["matched", "lower(too)"]}
        elif key.rule == "unique and not_null tests":
            tests = [one for one in tests if one["test_metadata"]["name"] != "not_null"]
        elif key.rule == "unique test":
            tests = [COMBINATION]
        else:
            tests = []
    assert rules == [
        "audit_key",
        "primary_key constraint",
        "unique and not_null tests",
        "unique test",
        "unique combination test",
        "primary_key inferred by dbt",
        "unique_key of the model",
    ]
    assert len(rules) == len(RULES)


def test_without_any_rule_the_reason_is_given() -> None:
    key = record_key(node(), [test("not_null", column_name="id"), test("accepted_values", column_name="id")])
    assert not key
    assert key.reason == "no audit_key, no primary key constraint and no unique test"


def test_a_combination_with_one_filled_column_is_not_cut_down_to_that_column() -> None:
    tests = [COMBINATION, test("not_null", column_name="order_id")]
    assert record_key(node(primary_key=["order_id"]), tests).columns == ("line", "order_id")


def test_of_several_unique_columns_the_first_documented_one_is_taken_and_the_others_are_named() -> None:
    columns = {"note": {}, "number": {}, "code": {}}
    tests = [test(kind, column_name=name) for name in ("code", "number") for kind in ("unique", "not_null")]
    assert record_key(node(columns=columns), tests) == RecordKey(
        ("number",), "unique and not_null tests", others=("code",)
    )


def test_a_unique_expression_is_not_a_column() -> None:
    tests = [test("unique", column_name="order_id || '-' || line"), COMBINATION]
    assert record_key(node(), tests).rule == "unique combination test"


def test_a_documented_column_may_have_any_name() -> None:
    tests = [test("unique", column_name="Order No.")]
    assert record_key(node(columns={"Order No.": {"quote": True}}), tests).columns == ("Order No.",)


def test_a_test_without_metadata_is_passed_over() -> None:
    assert not record_key(node(), [{"attached_node": "model.shop.orders"}, {"test_metadata": None}])
