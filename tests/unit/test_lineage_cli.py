"""`batch-audit lineage` as a command: how it reads its words, and SQL without a project."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from batch_audit.cli import cli
from batch_audit.errors import ConfigurationError

SQL = "select id, md5(email) as hidden from shop.people where region > 0"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*args: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["lineage", *args], input=text, catch_exceptions=True)


def test_sql_needs_no_project() -> None:
    done = call("sql", "-", text=SQL)
    assert done.exit_code == 0
    assert done.stderr == "from stdin, read as generic SQL (--dialect names another)\n"
    assert done.stdout.splitlines() == [
        "result  relation, 2 columns as its code gives them",
        "upstream",
        "├── id",
        "│   └── shop.people.id  identity",
        "├── hidden",
        "│   └── shop.people.email  transformation  masked  MD5(email)",
        "└── every column",
        "    └── shop.people.region  influences (filter)  WHERE region > 0",
    ]


def test_a_schema_resolves_a_star(nowhere: Path) -> None:
    (nowhere / "q.sql").write_text("\ufeffselect * from people", encoding="utf-8")
    (nowhere / "s.yml").write_text("people: {id: int, on: text}", encoding="utf-8")
    done = call(
        "sql",
        "q.sql",
        "--schema",
        "s.yml",
        "--dialect",
        "postgres",
        "--target",
        "t",
        "--format",
        "json",
        "-q",
    )
    told = json.loads(done.stdout)
    assert done.stderr == ""
    assert [(e["source_column"], e["target"], e["target_column"]) for e in told["edges"]] == [
        ("id", "t", "id"), ("on", "t", "on"),
    ]  # fmt: skip
    assert told["unknown"] == []


def test_the_dialect_of_the_project_is_the_default_and_is_said(nowhere: Path) -> None:
    (nowhere / "dbt_project.yml").write_text("name: shop", encoding="utf-8")
    (nowhere / "target").mkdir()
    (nowhere / "target" / "manifest.json").write_text(
        '{"metadata": {"adapter_type": "bigquery"}}', encoding="utf-8"
    )
    done = call("sql", "-", text="select `a b`.id from `a b`")
    assert done.stderr == "from stdin, read as bigquery (the dialect of dbt's manifest)\n"
    assert "a b.id  identity" in done.stdout


@pytest.mark.parametrize("output", ["tree", "json", "csv", "mermaid", "openlineage"])
def test_every_format_can_go_into_a_file(nowhere: Path, output: str) -> None:
    done = call("sql", "-", "--format", output, "--out", "folder/answer", text=SQL)
    assert (done.exit_code, done.stdout) == (0, "")
    assert (nowhere / "folder" / "answer").read_bytes() == call(
        "sql", "-", "--format", output, text=SQL
    ).stdout_bytes


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["sql", "absent.sql"], "absent.sql cannot be read"),
        (["sql", "-", "--dialect", "duckd"], "Did you mean duckdb"),
        (["sql", "-", "--schema", "absent.yml"], "absent.yml cannot be read"),
        (["mart", "--as-of", "b", "--manifest"], "give one of them"),
        (["mart", "--manifest"], "dbt compile"),
        (["impact", "--state", "."], "dbt compile"),
    ],
)
def test_what_is_wrong_is_said(args: list[str], said: str) -> None:
    done = call(*args, text=SQL)
    assert isinstance(done.exception, ConfigurationError)
    assert said in str(done.exception)


def test_what_is_no_command_is_a_model_and_options_may_come_first() -> None:
    for args in (["mart"], ["--upstream", "mart"], ["of", "mart"], ["show"], ["of", "sql"]):
        done = call(*args, "--manifest")
        assert isinstance(done.exception, ConfigurationError)
        assert "manifest.json" in str(done.exception)


def test_the_environment_gives_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_AUDIT_FORMAT", "text")
    assert call("sql", "-", text=SQL).stdout.startswith("result  relation")
    monkeypatch.setenv("BATCH_AUDIT_FORMAT", "json")
    assert json.loads(call("sql", "-", text=SQL).stdout)["edges"]
