"""The key that a capture infers: what the tests say, as doctor reads them, and not what dbt makes of them."""

import json
from collections.abc import Callable

from batch_audit.setup.keys import record_keys
from tests.support.project import Project

COMBINATION = "unique_combination_of_columns: {arguments: {combination_of_columns: [order_id, line]}}"
# name: (tests on the model, tests on order_id, tests on line)
MODELS = {
    "combined_and_filled": (COMBINATION, "not_null", ""),
    "combined": (COMBINATION, "", ""),
    "two_unique": ("", "unique, not_null", "unique, not_null"),
    "unique_alone": ("", "unique", "not_null"),
    "filled_second": ("", "unique", "unique, not_null"),
}
EXPECTED = {
    "combined_and_filled": (["line", "order_id"], "unique combination test"),
    "combined": (["line", "order_id"], "unique combination test"),
    "two_unique": (["order_id"], "unique and not_null tests"),
    "unique_alone": (["order_id"], "unique test"),
    "filled_second": (["line"], "unique and not_null tests"),
}
GENERIC_TEST = """
{% test unique_combination_of_columns(model, combination_of_columns) %}
select {{ combination_of_columns | join(", ") }} from {{ model }}
group by {{ combination_of_columns | join(", ") }} having count(*) > 1
{% endtest %}
"""
SOURCES = """
sources:
  - name: raw
    tables:
      - name: lines
        columns: [{name: id, data_tests: [unique, not_null]}]
"""


def described(name: str) -> str:
    """The YAML of one model with its tests."""
    on_model, on_order, on_line = MODELS[name]
    tests = f"\n    data_tests:\n      - {on_model}" if on_model else ""
    columns = f"""
    columns:
      - {{name: order_id, data_tests: [{on_order}]}}
      - {{name: line, data_tests: [{on_line}]}}"""
    return f"  - name: {name}\n    config: {{meta: {{audit_capture: changes}}}}{tests}{columns}\n"


def test_every_rule_gives_the_key_that_the_tests_mean(make_project: Callable[..., Project]) -> None:
    # order_id repeats where only the combination is unique: dbt's own primary_key would fail that model.
    combined = "select * from (values (1, 1), (1, 2)) as v(order_id, line)"
    single = "select * from (values (1, 1), (2, 2)) as v(order_id, line)"
    files = {f"models/{name}.sql": combined if "combined" in name else single for name in MODELS}
    files["models/models.yml"] = "models:\n" + "".join(map(described, MODELS))
    files["models/sources.yml"] = SOURCES
    files["macros/unique_combination_of_columns.sql"] = GENERIC_TEST
    project = make_project(
        files=files,
        config={"models": {"+materialized": "table", "+post-hook": "{{ batch_audit.capture() }}"}},
    )

    project.dbt("build", "--exclude", "source:*")

    rows = project.audit(
        "select part, metadata from {audit}.audit_event where event_type = 'checkpoint' and part like 'model.%'"
    )
    stored = {row["part"].rpartition(".")[2]: json.loads(row["metadata"]) for row in rows}
    assert {name: (found["key"], found["key_rule"]) for name, found in stored.items()} == EXPECTED

    keys = record_keys(json.loads(project.read("target/manifest.json")))
    for name, expected in EXPECTED.items():
        key = keys[f"model.shop.{name}"]
        assert (list(key.columns), key.rule) == expected
    assert (keys["source.shop.raw.lines"].columns, keys["source.shop.raw.lines"].rule) == (
        ("id",), "unique and not_null tests",
    )  # fmt: skip
