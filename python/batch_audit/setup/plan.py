"""What `init` would change in a dbt project, worked out without changing anything."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.setup.copies import needs_copies
from batch_audit.setup.dispatch import add_dispatch
from batch_audit.setup.hooks import COPY, add_hook
from batch_audit.setup.ignore import add_ignore, is_ignored, repository_root
from batch_audit.setup.packages import (
    PACKAGE_NAME,
    VENDORED,
    Declared,
    add_package,
    declaration,
    project_name,
)
from batch_audit.setup.vendor import differing_files, package_files
from batch_audit.setup.yaml_tree import load

# dbt's names for the folders that it reads as the project's own, with dbt's defaults.
PATH_KEYS = {
    "model-paths": ["models"],
    "macro-paths": ["macros"],
    "seed-paths": ["seeds"],
    "test-paths": ["tests"],
    "analysis-paths": ["analyses"],
    "snapshot-paths": ["snapshots"],
}


@dataclass(frozen=True)
class FileChange:
    """One file's text before (None: the file does not exist) and after."""

    path: Path
    before: str | None
    after: str


@dataclass(frozen=True)
class CopyChange:
    """The vendored folder that is to be replaced as a whole by the package at `source`; `files` differ."""

    folder: Path
    source: Path
    files: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that has to change; empty when the project is set up."""

    project_dir: Path
    copy: CopyChange | None
    files: tuple[FileChange, ...]

    def __bool__(self) -> bool:
        return self.copy is not None or bool(self.files)

    def summary(self) -> list[str]:
        """One line per change, each beginning with a verb."""
        lines = []
        if self.copy is not None:
            verb = "replace" if self.copy.folder.exists() else "create"
            files = f"{len(self.copy.files)} file{'s' if len(self.copy.files) != 1 else ''}"
            lines.append(
                f"{verb} {VENDORED}/ ({files} differ)"
                if verb == "replace"
                else f"{verb} {VENDORED}/ ({files})"
            )
        lines += [
            f"{'create' if file.before is None else 'edit'} {file.path.relative_to(self.project_dir)}"
            for file in self.files
        ]
        return lines


def make_plan(project_dir: Path, package: Path) -> Plan:
    """Compare a project with a set-up one.

    `package` is the folder of the dbt package that belongs to this command. Raises ConfigurationError for a
    project that cannot be read, or that must be changed by a person first; then nothing at all is planned.
    """
    project_text = read_text(project_dir / "dbt_project.yml", project_dir)
    if project_text is None:
        raise ConfigurationError(
            f"No dbt_project.yml in {project_dir} or a folder above it.\n"
            "  Run the command inside a dbt project, or name its folder with --project-dir."
        )
    values = load(project_text, "dbt_project.yml")
    refuse_clash(project_dir, values if isinstance(values, dict) else {})
    packages_path, packages_text, declared = read_packages(project_dir)
    after = (
        {packages_path: packages_text}
        if declared
        else {packages_path: add_package(packages_text or "", packages_path)}
    )
    hooked = add_hook(project_text, "dbt_project.yml")
    if isinstance(values, dict) and needs_copies(project_dir, values):
        hooked = add_hook(hooked, "dbt_project.yml", COPY)
    after["dbt_project.yml"] = add_dispatch(hooked, "dbt_project.yml")
    before = {packages_path: packages_text, "dbt_project.yml": project_text}
    files = [
        FileChange(project_dir / name, before[name], str(text))
        for name, text in after.items()
        if text != before[name]
    ]
    return Plan(
        project_dir, _copy_change(project_dir, package, declared), (*files, *_ignore_change(project_dir))
    )


def unified_diff(plan: Plan) -> str:
    """The planned changes of the project's own files as one unified diff, paths relative to the project."""
    parts = []
    for change in plan.files:
        name = change.path.relative_to(plan.project_dir).as_posix()
        old = "/dev/null" if change.before is None else f"a/{name}"
        lines = difflib.unified_diff(_lines(change.before or ""), _lines(change.after), old, f"b/{name}")
        parts += [
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        ]
    return "".join(parts)


def read_text(path: Path, project_dir: Path) -> str | None:
    """A file's text with its own line ends, None when it does not exist.

    Raises ConfigurationError for a file that cannot be read or is not UTF-8.
    """
    name = path.relative_to(project_dir).as_posix()
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name}: byte {error.start} is not UTF-8. Nothing was changed. Save it as UTF-8 and run again."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot be read: {error.strerror}. Nothing was changed.") from error


def read_packages(project_dir: Path) -> tuple[str, str | None, Declared | None]:
    """Name and text of the file that lists the project's packages, and how it declares ours.

    dbt's rule: dependencies.yml when it has a `packages` key, else packages.yml, never both. Raises
    ConfigurationError for both, for unreadable YAML and for our package from a source outside the project.
    """
    texts = {
        name: read_text(project_dir / name, project_dir) for name in ("packages.yml", "dependencies.yml")
    }
    listing = [name for name, text in texts.items() if "packages" in (_mapping(text, name))]
    if len(listing) == 2:
        raise ConfigurationError(
            "packages.yml and dependencies.yml both list packages, and dbt reads only one of them.\n"
            "  Nothing was changed. Move all packages into one of the two and run again."
        )
    name = listing[0] if listing else "packages.yml"
    declared = declaration(_mapping(texts[name], name), project_dir)
    if declared is not None and declared.kind == "remote":
        raise ConfigurationError(
            f"{name} takes the package from {declared.location}, where it can differ from this command.\n"
            f"  Nothing was changed. Remove that entry and run again: {VENDORED} then holds the package."
        )
    return name, texts[name], declared


def refuse_clash(project_dir: Path, values: dict[str, Any]) -> None:
    """Raise ConfigurationError when dbt would read the vendored package as part of the project itself."""
    if values.get("name") == PACKAGE_NAME:
        raise ConfigurationError(
            f"{project_dir} is the package {PACKAGE_NAME} itself, not a project that uses it.\n"
            "  Run the command inside the dbt project that is to be audited."
        )
    copy = (project_dir / VENDORED).resolve()
    for key, default in PATH_KEYS.items():
        given = values.get(key)
        for name in given if isinstance(given, list) else default:
            folder = (project_dir / str(name)).resolve()
            if "{{" not in str(name) and (copy.is_relative_to(folder) or folder.is_relative_to(copy)):
                raise ConfigurationError(
                    f"dbt_project.yml: `{key}` holds {str(name)!r}, so dbt would read {VENDORED}\n"
                    "  as the project's own files. Nothing was changed.\n"
                    f"  Name in `{key}` only the folders that hold your own files, and run again."
                )


def _copy_change(project_dir: Path, package: Path, declared: Declared | None) -> CopyChange | None:
    """None when the copy is equal, or when the project uses the package from a folder of its own choice."""
    if declared is not None and declared.kind == "local":
        return None
    folder = project_dir / VENDORED
    if folder.exists() and any(folder.iterdir()) and project_name(folder) != PACKAGE_NAME:
        raise ConfigurationError(
            f"{VENDORED} exists but is no copy of the package: no dbt_project.yml of {PACKAGE_NAME} in it.\n"
            "  Nothing was changed. Move that folder away and run again."
        )
    files = differing_files(folder, package) if folder.exists() else package_files(package)
    return CopyChange(folder, package, tuple(files)) if files else None


def _ignore_change(project_dir: Path) -> list[FileChange]:
    root = repository_root(project_dir)
    path = project_dir / ".gitignore"
    before = read_text(path, project_dir)
    if root is None and before is None:
        return []
    above = [folder / ".gitignore" for folder in project_dir.parents if root and folder.is_relative_to(root)]
    if any(
        file.is_file() and is_ignored(file.read_text(encoding="utf-8", errors="replace")) for file in above
    ):
        return []
    after = add_ignore(before or "")
    return [FileChange(path, before, after)] if after != before else []


def _mapping(text: str | None, name: str) -> dict[str, Any]:
    values = load(text, name) if text is not None else None
    return values if isinstance(values, dict) else {}


def _lines(text: str) -> list[str]:
    """Lines with their ends, split at line feeds alone so that a carriage return stays part of its line."""
    return [line + "\n" for line in text.split("\n")[:-1]] + (
        [text.split("\n")[-1]] if not text.endswith("\n") and text else []
    )
