"""What the user's command line, the environment and the project say about where dbt works and writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from batch_audit.settings import Settings

_OPTIONS = {
    "--project-dir": "project_dir", "--profiles-dir": "profiles_dir", "--profile": "profile", "--target": "target",
    "-t": "target", "--vars": "vars", "--target-path": "target_path", "--log-path": "log_path",
}  # fmt: skip
# Programs that start the dbt named among their arguments.
_LAUNCHERS = (
    "uv",
    "uvx",
    "poetry",
    "pipenv",
    "pdm",
    "hatch",
    "rye",
    "pixi",
    "conda",
    "mamba",
    "env",
    "nice",
    "time",
)
_PYTHON_MODULES = ("dbt", "dbt.cli.main", "dbt.cli")


@dataclass(frozen=True)
class DbtCall:
    """The user's command when it starts dbt itself: the words that start dbt, and dbt's own arguments."""

    launcher: tuple[str, ...]
    arguments: tuple[str, ...]

    def options(self) -> dict[str, str]:
        """The options that say where dbt works, by the name of the setting; the last one given counts."""
        found: dict[str, str] = {}
        for index, word in enumerate(self.arguments):
            option, equals, value = word.partition("=")
            name = _OPTIONS.get(option)
            if name and equals:
                found[name] = value
            elif name and index + 1 < len(self.arguments):
                found[name] = self.arguments[index + 1]
            elif word.startswith("-t") and len(word) > 2:
                found["target"] = word[2:]
        return found


@dataclass(frozen=True)
class Paths:
    """Where dbt writes: its log, and the folder of its artifacts."""

    log: Path
    target: Path

    @property
    def run_results(self) -> Path:
        """The artifact with the results of the last run."""
        return self.target / "run_results.json"

    @property
    def manifest(self) -> Path:
        """The artifact that describes the project's nodes."""
        return self.target / "manifest.json"


def dbt_call(command: Sequence[str]) -> DbtCall | None:
    """The dbt call that a command is, directly or through a launcher such as `uv run`; None for a script."""
    for index in range(len(command)):
        if _is_dbt(command, index) and (index == 0 or _launches(command[:index])):
            return DbtCall(tuple(command[: index + 1]), tuple(command[index + 1 :]))
    return None


def settings_of(settings: Settings, call: DbtCall | None) -> Settings:
    """The settings that reach the warehouse which the hooks write to: dbt's own options come before ours."""
    options = call.options() if call else {}
    changed: dict[str, Any] = {
        name: options[name] for name in ("profile", "target", "vars") if name in options
    }
    if "profiles_dir" in options:
        changed["profiles_dir"] = _absolute(options["profiles_dir"])
    if "project_dir" in options:
        changed["project_dir"] = _absolute(options["project_dir"])
        if settings.state_dir == settings.project_dir / ".batch_audit":
            changed["state_dir"] = changed["project_dir"] / ".batch_audit"
    return replace(settings, **changed)


def paths_of(settings: Settings, call: DbtCall | None, environment: Mapping[str, str]) -> Paths:
    """Where dbt writes: option, else environment, else dbt_project.yml, else dbt's default.

    A relative log path counts from the working directory, a relative target path from the project (dbt's rules).
    """
    options = call.options() if call else {}
    project = project_file(settings.project_dir)

    def said(name: str) -> str | None:
        upper = name.upper()
        return (
            options.get(name)
            or environment.get(f"DBT_ENGINE_{upper}")
            or environment.get(f"DBT_{upper}")
            or None
        )

    log = said("log_path")
    folder = Path(log).absolute() if log else settings.project_dir / str(project.get("log-path") or "logs")
    target = settings.project_dir / (said("target_path") or str(project.get("target-path") or "target"))
    return Paths(folder / "dbt.log", target)


def project_file(project_dir: Path) -> Mapping[str, Any]:
    """dbt_project.yml as it stands, without rendering; empty if it cannot be read (dbt will say why)."""
    import yaml

    try:
        content = yaml.safe_load((project_dir / "dbt_project.yml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_dbt(command: Sequence[str], index: int) -> bool:
    word = PurePath(command[index]).name
    if word in ("dbt", "dbt.exe"):
        return True
    return command[index] in _PYTHON_MODULES and index > 0 and command[index - 1] == "-m"


def _launches(words: Sequence[str]) -> bool:
    program = PurePath(words[0]).name
    return program in _LAUNCHERS or re.fullmatch(r"python[\d.]*(\.exe)?", program) is not None


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()
