"""Secrets do not reach the store; everything else does, unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_audit.runner.secrets import HIDDEN, command_text, hide, hide_known, secret_values, vars_text

WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=8, max_size=20)


@pytest.mark.parametrize(
    "command",
    [
        ["dbt", "run", "--vars", "{db_password: hunter2hunter2, day: 3}"],
        ["dbt", "run", '--vars={"nested": {"api_key": "hunter2hunter2"}}'],
        ["dbt", "run", "--vars", "not: [closed hunter2hunter2"],
        ["env", "SNOWFLAKE_PASSWORD=hunter2hunter2", "dbt", "run"],
        ["tool", "--token", "hunter2hunter2"],
        ["tool", "--api-key=hunter2hunter2"],
        ["sh", "-c", "export DB_TOKEN='hunter2hunter2' && dbt run"],
        ["sh", "-c", "tool --secret hunter2hunter2; dbt run"],
        ["psql", "postgres://ann:hunter2hunter2@db.example/shop"],
    ],
)
def test_a_secret_in_a_command_is_hidden(command: list[str]) -> None:
    text = command_text(command)
    assert "hunter2hunter2" not in text
    assert HIDDEN in text


def test_an_ordinary_command_is_stored_as_it_is() -> None:
    command = ["dbt", "build", "--select", "tag:daily+", "--vars", "{day: 2026-11-24}", "-t", "prod"]
    assert command_text(command) == "dbt build --select tag:daily+ --vars '{day: 2026-11-24}' -t prod"


@given(WORDS, WORDS)
def test_the_value_of_a_secret_variable_never_survives(name: str, value: str) -> None:
    values = secret_values({"DBT_ENV_SECRET_" + name: "s3cr3t" + value, "LANG": "C"})
    assert values == ("s3cr3t" + value,)
    assert "s3cr3t" + value not in hide_known(f"no such user {'s3cr3t' + value}!", values)


@given(WORDS)
def test_the_value_of_a_secret_name_never_survives(value: str) -> None:
    assert "v4lue" + value not in hide(f"X_PASSWORD=v4lue{value} --token v4lue{value}")


def test_vars_keep_what_is_no_secret() -> None:
    assert vars_text("{day: 3}") == "{day: 3}"
    assert vars_text("{pwd: abc, day: 3}") == '{"pwd": "***", "day": 3}'
