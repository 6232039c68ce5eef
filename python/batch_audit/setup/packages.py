"""Declares the vendored package in the text of a packages.yml (or a dependencies.yml that lists packages)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from batch_audit.errors import ConfigurationError
from batch_audit.setup import yaml_edit
from batch_audit.setup.yaml_tree import Node, load, parse

PACKAGE_NAME = "batch_audit"
VENDORED = "audit_packages/batch_audit"
_ITEM = f"local: {VENDORED}"
_NAMED_LIKE_OURS = re.compile(r"batch[-_]audit(\.git|\.tar\.gz)?/?$")
_PROJECT_NAME = re.compile(r"^name\s*:\s*['\"]?([A-Za-z0-9_]+)", re.MULTILINE)


@dataclass(frozen=True)
class Declared:
    """How a project declares the package: the vendored copy, another local folder, or an outside source."""

    kind: Literal["vendored", "local", "remote"]
    location: str


def declaration(values: Any, project_dir: Path) -> Declared | None:
    """The entry for our package among the `packages:` of a loaded packages.yml, None when there is none."""
    entries = values.get("packages") if isinstance(values, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        found = _declared(entry, project_dir) if isinstance(entry, dict) else None
        if found is not None:
            return found
    return None


def add_package(text: str, source: str) -> str:
    """The text with the vendored package as the last of its packages.

    The caller has checked with `declaration` that it is not there yet. Raises ConfigurationError when the
    file cannot be read or only a person can edit it.
    """
    root = parse(text, source)
    before = load(text, source)
    edited = _edited(text, root, source)
    expected = {**(before or {}), "packages": [*((before or {}).get("packages") or []), {"local": VENDORED}]}
    if load(edited, source) != expected:
        raise _by_hand(source, "the lines around it are written in a way that cannot be changed safely")
    return edited


def project_name(folder: Path) -> str | None:
    """The `name:` in a folder's dbt_project.yml, None when there is no such file or name."""
    try:
        found = _PROJECT_NAME.search((folder / "dbt_project.yml").read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None


def _declared(entry: dict[str, Any], project_dir: Path) -> Declared | None:
    if isinstance(local := entry.get("local"), str):
        if Path(local) == Path(VENDORED):
            return Declared("vendored", local)
        return Declared("local", local) if project_name(project_dir / local) == PACKAGE_NAME else None
    for kind in ("git", "package", "tarball"):
        location = entry.get(kind)
        if isinstance(location, str) and _NAMED_LIKE_OURS.search(location):
            return Declared("remote", location)
    return None


def _edited(text: str, root: Node | None, source: str) -> str:
    if root is None:
        return yaml_edit.append_at_end(text, f"packages:\n  - {_ITEM}\n")
    if root.kind != "mapping":
        raise _by_hand(source, "the file is not a mapping")
    packages = root.entry("packages")
    if packages is None:
        if root.flow:
            return yaml_edit.append_entry(text, root, f"packages: [{{{_ITEM}}}]")
        return yaml_edit.append_at_end(text, f"packages:\n  - {_ITEM}\n")
    key, listed = packages
    if listed.is_null:
        return yaml_edit.insert_first_line(text, key, listed, f"- {_ITEM}")
    if listed.kind != "sequence":
        raise _by_hand(source, "`packages:` is not a list written in this place")
    return yaml_edit.append_item(text, listed, f"{{{_ITEM}}}" if listed.flow else _ITEM)


def _by_hand(source: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{source}: the package cannot be added: {why}.\n"
        f"  Nothing was changed. Add it yourself and run again:\n    packages:\n      - {_ITEM}"
    )
