"""One settings object: flag over environment over default."""

import stat
from pathlib import Path

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.settings import Settings


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without variables of dbt or ours."""
    import os

    for name in list(os.environ):
        if name.startswith(("DBT_", "BATCH_AUDIT_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_the_working_directory_and_nothing_else(tmp_path: Path) -> None:
    assert Settings.from_options() == Settings(project_dir=tmp_path, state_dir=tmp_path / ".batch_audit")


def test_the_project_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    inner = tmp_path / "models" / "staging"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)

    assert Settings.from_options().project_dir == tmp_path


@pytest.mark.parametrize(
    ("variable", "field", "text", "value"),
    [
        ("DBT_PROFILE", "profile", "prod", "prod"),
        ("DBT_TARGET", "target", "prod", "prod"),
        ("BATCH_AUDIT_VARS", "vars", "{a: 1}", "{a: 1}"),
        ("BATCH_AUDIT_SCHEMA", "audit_schema", "trail", "trail"),
        ("BATCH_AUDIT_FORMAT", "format", "JSON", "json"),
        ("BATCH_AUDIT_QUIET", "quiet", "1", True),
        ("BATCH_AUDIT_QUIET", "quiet", "false", False),
        ("DBT_TARGET", "target", "", None),
    ],
)
def test_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, variable: str, field: str, text: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)

    assert getattr(Settings.from_options(), field) == value


@pytest.mark.parametrize("variable", ["DBT_PROJECT_DIR", "DBT_ENGINE_PROJECT_DIR"])
def test_folders_of_the_environment_count_from_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, "here/project")
    monkeypatch.setenv("DBT_PROFILES_DIR", "profiles")

    settings = Settings.from_options()

    assert settings.project_dir == tmp_path / "here" / "project"
    assert settings.profiles_dir == tmp_path / "profiles"
    assert settings.state_dir == tmp_path / "here" / "project" / ".batch_audit"


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_TARGET", "from_environment")

    assert Settings.from_options(target="given").target == "given"


def test_dbts_new_variable_names_win_over_its_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_TARGET", "old")
    monkeypatch.setenv("DBT_ENGINE_TARGET", "new")

    assert Settings.from_options().target == "new"


def test_an_unknown_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_AUDIT_FORMAT", "yaml")

    with pytest.raises(ConfigurationError, match="'yaml': use text or json"):
        Settings.from_options()


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Unknown settings: taget"):
        Settings.from_options(taget="prod")


def test_state_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    folder = Settings.from_options().state_folder("spool")

    assert folder == tmp_path / ".batch_audit" / "spool"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)] == [0o700, 0o700]
    assert (folder.parent / ".gitignore").read_text() == "*\n"
    assert Settings.from_options().state_folder("spool") == folder


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings.from_options().target = "other"  # type: ignore[misc]
