"""The group and the options that all commands share."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import batch_audit
from batch_audit.cli import COMMANDS, cli, common_options, machines, people
from batch_audit.settings import Settings


@click.command()
@click.argument("word")
@common_options
def echo(settings: Settings, word: str) -> None:
    """Says what it was given."""
    people(settings).print(f"[b]{word}[/b]")
    machines({"word": word, "project_dir": settings.project_dir, "target": settings.target})


def test_help_lists_every_command_in_its_order() -> None:
    shown = CliRunner().invoke(cli, ["--help"])

    assert shown.exit_code == 0
    listed = [line.split()[0] for line in shown.output.split("Commands:\n")[1].splitlines()]
    assert listed == list(COMMANDS)


def test_an_unknown_command_is_a_usage_error() -> None:
    shown = CliRunner().invoke(cli, ["verfy"])

    assert shown.exit_code == 2
    assert "No such command 'verfy'" in shown.output


def test_the_version_is_the_packages() -> None:
    assert (
        CliRunner().invoke(cli, ["--version"]).output == f"batch-audit, version {batch_audit.__version__}\n"
    )


def test_people_read_stderr_and_machines_stdout(tmp_path: Path) -> None:
    shown = CliRunner().invoke(echo, ["héllo", "--project-dir", str(tmp_path), "--target", "prod"])

    assert shown.exit_code == 0, shown.output
    assert shown.stderr == "héllo\n"
    assert shown.stdout == (
        f'{{\n  "word": "héllo",\n  "project_dir": "{tmp_path}",\n  "target": "prod"\n}}\n'
    )


def test_quiet_silences_what_is_for_people_only() -> None:
    shown = CliRunner().invoke(echo, ["hello", "--quiet"])

    assert shown.stderr == ""
    assert '"word": "hello"' in shown.stdout


@pytest.mark.parametrize("option", ["--format=yaml", "--no-such-option"])
def test_wrong_options_are_usage_errors(option: str) -> None:
    assert CliRunner().invoke(echo, ["hello", option]).exit_code == 2
