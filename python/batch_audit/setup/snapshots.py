"""Writes the YAML of a dbt snapshot of a model, whose versions are captured."""

from __future__ import annotations

import json
from pathlib import Path

from batch_audit.errors import ConfigurationError
from batch_audit.setup.context import Context
from batch_audit.setup.keys import NodeData, meta, record_key


def snapshot_file(context: Context, model: str) -> tuple[Path, str]:
    """Path and text of the snapshot `<model>_history`: by the model's record key, every column checked.

    `context` is the project's, parsed. Raises ConfigurationError for a model that the project does not have or that has
    no record key, and where a file or a snapshot of that name exists.
    """
    node = _model(context, model)
    key = record_key(node, context.parsed.tests_of(node))
    if not key:
        raise ConfigurationError(
            f"{model} has no record key ({key.reason}), so a snapshot could not tell its records apart.\n"
            "  Nothing was written. Name the columns in the model's meta: {audit_key: [...]}, and run again."
        )
    name = f"{model}_history"
    folder = (context.project.get("snapshot-paths") or ["snapshots"])[0]
    path = context.settings.project_dir / str(folder) / f"{name}.yml"
    if path.exists() or any(taken.get("name") == name for taken in context.parsed.nodes("snapshot")):
        raise ConfigurationError(
            f"The project has a snapshot {name} already ({path}). Nothing was written.\n"
            "  To capture it, give it the line: meta: {audit_capture: changes}."
        )
    return path, _text(name, model, key.columns, meta(node).get("audit_ignore"))


def _model(context: Context, name: str) -> NodeData:
    models = {str(node.get("name")): node for node in context.parsed.nodes("model")}
    if name not in models:
        raise ConfigurationError(
            f"The project has no model {name!r}. Nothing was written.\n"
            f"  It has: {', '.join(sorted(models)[:10])}{', …' if len(models) > 10 else ''}."
        )
    return models[name]


def _text(name: str, model: str, key: tuple[str, ...], ignored: object) -> str:
    unique_key = json.dumps(key[0] if len(key) == 1 else list(key), ensure_ascii=False)
    captured = {"audit_capture": "changes"} | ({"audit_ignore": ignored} if ignored else {})
    return (
        "snapshots:\n"
        f"  - name: {name}\n"
        f"    relation: ref('{model}')\n"
        "    config:\n"
        "      strategy: check\n"
        f"      unique_key: {unique_key}\n"
        "      check_cols: all\n"
        "      hard_deletes: invalidate\n"
        f"      meta: {json.dumps(captured, ensure_ascii=False)}\n"
    )
