"""Every command explains itself, is in the reference, and answers at once."""

import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest

from batch_audit.cli import COMMANDS, cli
from scripts.commands_reference import reference

CHECKOUT = Path(__file__).resolve().parents[2]


def all_commands() -> list[tuple[str, click.Command]]:
    """Path and command of every command, those beneath groups included."""
    found: list[tuple[str, click.Command]] = []
    waiting: list[tuple[str, click.Command]] = [("batch-audit", cli)]
    while waiting:
        path, command = waiting.pop()
        found.append((path, command))
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                waiting.append((f"{path} {name}", below))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_and_begins_with_its_listed_help(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)

    assert command is not None and command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name].help


def test_every_command_and_option_has_a_help_text() -> None:
    silent = [
        f"{path} {parameter.name}"
        for path, command in all_commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ] + [path for path, command in all_commands() if not command.help]

    assert silent == []


def test_the_reference_is_what_the_commands_say() -> None:
    written = (CHECKOUT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")

    assert written == reference(), "docs/reference/commands.md is out of date: run `make docs`"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_the_command_answers_at_once(arguments: list[str]) -> None:
    best = min(cpu_seconds_of([sys.executable, "-m", "batch_audit", *arguments]) for _ in range(5))

    assert best < 0.3, (
        f"batch-audit {' '.join(arguments)} takes {best:.2f} s: something heavy is imported early"
    )


def cpu_seconds_of(command: list[str]) -> float:
    """CPU time of a command that must succeed: what it takes on an idle machine, whoever else works here."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from batch_audit.cli import cli;"
        "CliRunner().invoke(cli, ['--help']);"
        "print(*sorted({'dbt', 'duckdb', 'sqlglot', 'jinja2', 'rich', 'psycopg2', 'pyarrow'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == ""
