"""What a command line says about dbt: where it works, where it writes, whose environment it gets."""

from pathlib import Path

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.runner.dbt_options import dbt_call, paths_of, project_file, settings_of
from batch_audit.runner.environment import BATCH_ID, BATCH_MONTH, Identity, for_dbt, identity
from batch_audit.runner.facts import Start
from batch_audit.runner.narrative import subcommand
from batch_audit.settings import Settings

START = Start(
    "b1", "2026-11", False, 1_000, "ann", "given", None, "dbt run", "shop", "/p", None, None, None, None, None, "h", 1,
    "0.1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("dbt build", "build"),
        ("/opt/venv/bin/dbt --profiles-dir x build", "--profiles-dir x build"),
        ("uv run --with dbt-duckdb dbt build -s a", "build -s a"),
        ("python3.12 -m dbt.cli.main run", "run"),
        ("env DBT_TARGET=ci dbt test", "test"),
        ("sh -c dbt", None),
        ("make dbt", None),
        ("echo dbt", None),
        ("dbt-wrapper build", None),
        ("true", None),
    ],
)
def test_a_dbt_call_is_told_from_a_script(command: str, arguments: str | None) -> None:
    call = dbt_call(command.split())
    assert (call and " ".join(call.arguments)) == arguments


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--profiles-dir x build", {"profiles_dir": "x"}),
        ("build --vars={a: 1} -t prod", None),
        ("build -tprod", {"target": "prod"}),
        ("build --target-path elsewhere", {"target_path": "elsewhere"}),
        ("build --target=a --target b", {"target": "b"}),
        ("build --target", {}),
        ("build -s target", {}),
        ("build --threads 4 --full-refresh", {}),
    ],
)
def test_dbts_options_are_read_in_every_spelling(arguments: str, expected: dict[str, str] | None) -> None:
    words = ["build", "--vars={a: 1}", "-t", "prod"] if expected is None else arguments.split()
    call = dbt_call(["dbt", *words])
    assert call is not None
    assert call.options() == (expected if expected is not None else {"vars": "{a: 1}", "target": "prod"})


def test_dbts_own_options_come_before_ours_and_take_the_state_folder_along(tmp_path: Path) -> None:
    settings = Settings(tmp_path, target="ours", state_dir=tmp_path / ".batch_audit")
    call = dbt_call(["dbt", "build", "--target", "theirs", "--project-dir", str(tmp_path / "sub")])
    found = settings_of(settings, call)
    assert (found.target, found.project_dir) == ("theirs", tmp_path / "sub")
    assert found.state_dir == tmp_path / "sub" / ".batch_audit"
    assert settings_of(settings, None) == settings


def test_where_dbt_writes_is_option_then_environment_then_project_then_default(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    call = dbt_call(["dbt", "run", "--target-path", "given"])
    assert paths_of(settings, None, {}).target == tmp_path / "target"
    (tmp_path / "dbt_project.yml").write_text("target-path: built\nlog-path: said\n", encoding="utf-8")
    assert paths_of(settings, None, {}).target == tmp_path / "built"
    assert paths_of(settings, None, {}).log == tmp_path / "said" / "dbt.log"
    assert paths_of(settings, None, {"DBT_TARGET_PATH": "old"}).target == tmp_path / "old"
    both = {"DBT_TARGET_PATH": "old", "DBT_ENGINE_TARGET_PATH": "new"}
    assert paths_of(settings, None, both).target == tmp_path / "new"
    assert paths_of(settings, call, both).target == tmp_path / "given"
    assert paths_of(settings, None, {"DBT_LOG_PATH": "logs"}).log == Path.cwd() / "logs" / "dbt.log"


@pytest.mark.parametrize("content", [b"", b"- a list", b"name: [", b"\xff\xfe", b"name: \t{{ x }}"])
def test_a_project_file_that_cannot_be_read_is_left_to_dbt(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_bytes(content)
    assert project_file(tmp_path) == {}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("dbt build", "build"),
        ("dbt --target docs build", "build"),
        ("dbt --profiles-dir test --no-version-check run -s snapshot", "run"),
        ("dbt -t seed", None),
        ("dbt", None),
    ],
)
def test_the_value_of_an_option_is_not_the_subcommand(command: str, expected: str | None) -> None:
    assert subcommand(command.split()) == expected


def test_a_surrounding_run_is_joined_with_its_month_and_a_given_one_without() -> None:
    around = {BATCH_ID: "b7", BATCH_MONTH: "2026-10"}
    assert identity(None, {}) is None
    assert identity(None, around) == Identity("b7", "2026-10", True)
    assert identity("b8", around) == Identity("b8", None, True)
    for wrong in ("x" * 201, " b", "b\n", "b\x00"):
        with pytest.raises(ConfigurationError, match="cannot be used"):
            identity(wrong, {})
    with pytest.raises(ConfigurationError, match="must be a month"):
        identity(None, {BATCH_ID: "b7", BATCH_MONTH: "2026-13"})


def test_our_options_reach_dbt_under_the_name_that_is_in_force(tmp_path: Path) -> None:
    settings = Settings(tmp_path, target="prod")
    assert for_dbt(START, settings, {"A": "1"})["DBT_TARGET"] == "prod"
    passed = for_dbt(START, settings, {"DBT_ENGINE_TARGET": "dev", "DBT_TARGET": "dev"})
    assert (passed["DBT_ENGINE_TARGET"], passed["DBT_TARGET"], passed[BATCH_ID]) == ("prod", "dev", "b1")
