"""Print docs/reference/models.md, made from the documentation of the models themselves (`make docs`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDERS = {
    "reports": "For everybody: reports",
    "core": "For analysts: core",
    "staging": "The store, typed: staging",
}
INTRODUCTION = """# The package's views

Views over the audit store, in the audit schema. `batch-audit init` builds them; a build of yours does not. Times are
timestamps in UTC, and every count counts rows of the store. Filter by `batch_month` beside `batch_id` on Postgres: the
store is partitioned by it.
"""


def reference(models: Path) -> str:
    """The page: a section for each folder of models, a part for each model, in the order of the YAML."""
    return "\n".join([INTRODUCTION, *(line for folder in FOLDERS for line in _section(models, folder))])


def _section(models: Path, folder: str) -> Iterator[str]:
    described = yaml.safe_load((models / folder / f"_{folder}.yml").read_text(encoding="utf-8"))
    yield f"## {FOLDERS[folder]}\n"
    for model in described["models"]:
        yield from _model(model)


def _model(model: dict[str, Any]) -> Iterator[str]:
    yield f"### {model['name']}\n"
    yield f"{model['description']}\n"
    yield "| column | type | |"
    yield "|---|---|---|"
    for column in model["columns"]:
        yield f"| `{column['name']}` | {column['data_type']} | {column['description'].replace('|', chr(92) + '|')} |"
    yield ""


if __name__ == "__main__":
    print(reference(Path(__file__).resolve().parents[1] / "models"), end="")
