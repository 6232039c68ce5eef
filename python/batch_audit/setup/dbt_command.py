"""Runs the dbt that belongs to a project: deps and the package's views for `init`, parse for `doctor`."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.settings import Settings

ADAPTERS = ("duckdb", "postgres")
_KEPT_LINES = 200


@dataclass(frozen=True)
class DbtResult:
    """How a dbt command ended, with the last lines of what it said."""

    command: tuple[str, ...]
    status: int
    lines: tuple[str, ...]

    def shown(self) -> str:
        """The command as a person would type it."""
        return " ".join(
            ["dbt", *(f"'{word}'" if " " in word or "{" in word else word for word in self.command)]
        )

    def message(self, limit: int = 15) -> str:
        """The last lines without time stamps and blank lines."""
        lines = [line[10:] if line[2:3] == ":" and line[5:6] == ":" else line for line in self.lines]
        return "\n".join([line.rstrip() for line in lines if line.strip()][-limit:])


def find_dbt() -> list[str]:
    """The words that start dbt: this Python's own when it has an adapter, else `dbt` on the PATH.

    A command installed by itself (pipx, uv tool) has dbt-core, but the project's adapter lives with another
    dbt. Raises ConfigurationError when there is neither.
    """
    if any(importlib.util.find_spec(f"dbt.adapters.{name}") for name in ADAPTERS):
        return [sys.executable, "-m", "dbt.cli.main"]
    if on_path := shutil.which("dbt"):
        return [on_path]
    raise ConfigurationError(
        f"No dbt with an adapter was found: {sys.executable} has neither dbt-duckdb nor dbt-postgres,"
        " and there is no `dbt` on the PATH.\n"
        "  Install the adapter beside this command, for example: pip install 'dbt-batch-audit[duckdb]'."
    )


def run_dbt(
    settings: Settings, command: Sequence[str], on_line: Callable[[str], None] | None = None
) -> DbtResult:
    """Run a dbt command in the project's folder with the settings' profile, target and vars.

    `on_line` sees each line of output as it comes. A failure is in the result's `status`; raises
    ConfigurationError only when dbt cannot be started.
    """
    argv = [*find_dbt(), "--no-use-colors", *command, *_options(settings, command)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        process = subprocess.Popen(  # noqa: S603 (the user's own dbt, no shell)
            argv, cwd=settings.project_dir, env=environment, text=True, encoding="utf-8", errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        raise ConfigurationError(f"dbt cannot be started: {argv[0]}: {error.strerror}.") from error
    with process:
        for line in process.stdout or ():
            lines.append(line.rstrip("\n"))
            if on_line is not None and line.strip():
                on_line(line.strip())
    return DbtResult(tuple(command), process.returncode, tuple(lines))


def build_views_command(settings: Settings) -> list[str]:
    """The command that builds the package's views and audits nothing; the user's own vars stay in force.

    Brings the project that it runs in up to date. Raises ConfigurationError when that cannot be done.
    """
    from batch_audit.setup.views_project import write_views_project

    root = write_views_project(settings)
    variables = {**given_vars(settings), "batch_audit_models": True, "batch_audit_enabled": False}
    folders = [
        "--project-dir",
        str(root),
        "--target-path",
        str(root / "target"),
        "--log-path",
        str(root / "logs"),
    ]
    return ["run", "--select", "package:batch_audit", *folders, "--vars", json.dumps(variables)]


def given_vars(settings: Settings) -> dict[str, Any]:
    """The variables of `--vars` as a mapping; raises ConfigurationError when they are none."""
    from batch_audit.setup.yaml_tree import load

    values = load(settings.vars, "--vars") if settings.vars else {}
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"--vars must be a YAML mapping such as '{{name: value}}', not {settings.vars!r}."
        )
    return values


def _options(settings: Settings, command: Sequence[str]) -> list[str]:
    given = {
        "--profiles-dir": settings.profiles_dir,
        "--profile": settings.profile,
        "--target": settings.target,
        "--vars": None if "--vars" in command else settings.vars,
    }
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]
