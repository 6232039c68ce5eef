"""Which projects need the hook that copies a model's table before it is replaced. Most do without, and pay nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_ASKED = re.compile(r"\b(foreign_key|audit_previous)\b")
_READ = (".yml", ".yaml", ".sql")


def needs_copies(project_dir: Path, values: dict[str, Any]) -> bool:
    """Whether the project (its dbt_project.yml holds `values`) has a foreign key or asks for copies (`audit_previous`).

    It looks for the words, in the project file and in all files of its models: `init` runs before dbt can parse the
    project, and a hook that nothing needs does no harm.
    """
    if _ASKED.search(str(values)):
        return True
    given = values.get("model-paths")
    folders = given if isinstance(given, list) else ["models"]
    return any(
        _ASKED.search(file.read_text(encoding="utf-8", errors="replace")) is not None
        for folder in folders
        for file in sorted((project_dir / str(folder)).rglob("*"))
        if file.suffix.lower() in _READ and file.is_file()
    )
