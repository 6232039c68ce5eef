"""The one settings object between the command line and the library: flag over environment over default."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from batch_audit.errors import ConfigurationError

# dbt 1.11 renamed its variables to DBT_ENGINE_…, and the new name wins there when both are set.
_ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "project_dir": ("DBT_ENGINE_PROJECT_DIR", "DBT_PROJECT_DIR"),
    "profiles_dir": ("DBT_ENGINE_PROFILES_DIR", "DBT_PROFILES_DIR"),
    "profile": ("DBT_ENGINE_PROFILE", "DBT_PROFILE"),
    "target": ("DBT_ENGINE_TARGET", "DBT_TARGET"),
    "vars": ("BATCH_AUDIT_VARS",),
    "audit_schema": ("BATCH_AUDIT_SCHEMA",),
    "state_dir": ("BATCH_AUDIT_STATE_DIR",),
    "format": ("BATCH_AUDIT_FORMAT",),
    "quiet": ("BATCH_AUDIT_QUIET",),
}
Format = Literal["text", "json", "html", "tree", "csv", "openlineage", "mermaid", "markdown"]
_TRUE = ("1", "true", "yes", "y", "on", "t")


@dataclass(frozen=True)
class Settings:
    """What every command needs to know; built once, never changed.

    `vars` is the YAML text of dbt's `--vars`. `state_dir` holds what must survive a crash (spool, reports).
    """

    project_dir: Path
    profiles_dir: Path | None = None
    profile: str | None = None
    target: str | None = None
    vars: str | None = None
    audit_schema: str | None = None
    state_dir: Path = Path(".batch_audit")
    format: Format = "text"
    quiet: bool = False

    @classmethod
    def from_options(cls, *, formats: Sequence[str] = ("text", "json"), **options: Any) -> "Settings":
        """Settings from command line options, with the environment beneath them.

        An option that is None was not given. Relative paths count from the working directory; without a
        project directory the nearest folder upwards with a dbt_project.yml is taken, as dbt does.

        Of `formats` the first is for people: `text` in the environment means it, and it is the default.

        Raises ConfigurationError for an unknown option, or a format that is not one of `formats`.
        """
        unknown = sorted(set(options) - set(_ENVIRONMENT))
        if unknown:
            raise ConfigurationError(
                f"Unknown settings: {', '.join(unknown)}. Known: {', '.join(_ENVIRONMENT)}."
            )
        value = {name: _first_given(options.get(name), names) for name, names in _ENVIRONMENT.items()}
        project_dir = _absolute(value["project_dir"]) or nearest_project_dir(Path.cwd())
        output = str(value["format"] or "text").lower()
        output = formats[0] if output == "text" else output
        if output not in formats:
            raise ConfigurationError(
                f"Unknown output format {output!r}: use {' or '.join(formats)} (--format, BATCH_AUDIT_FORMAT)."
            )
        return cls(
            project_dir=project_dir,
            profiles_dir=_absolute(value["profiles_dir"]),
            profile=value["profile"],
            target=value["target"],
            vars=value["vars"],
            audit_schema=value["audit_schema"],
            state_dir=_absolute(value["state_dir"]) or project_dir / ".batch_audit",
            format=cast(Format, output),
            quiet=str(value["quiet"] or "").lower() in _TRUE,
        )

    def state_folder(self, name: str) -> Path:
        """The folder `name` under `state_dir`, made if missing; only its owner reads it, git ignores it."""
        for folder in (self.state_dir, self.state_dir / name):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ignore = self.state_dir / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        return self.state_dir / name


def nearest_project_dir(start: Path) -> Path:
    """The folder with a dbt_project.yml at or above `start`, else `start` itself (dbt's own rule)."""
    folders = (start, *start.parents)
    return next((folder for folder in folders if (folder / "dbt_project.yml").is_file()), start)


def _first_given(option: Any, names: tuple[str, ...]) -> Any:
    """The option if it was given, else the first variable of the environment that is set and not empty."""
    if option is not None and option is not False:
        return option
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _absolute(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path).expanduser().absolute()
