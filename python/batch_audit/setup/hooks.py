"""Adds the capture hook to the text of a dbt_project.yml."""

from __future__ import annotations

import re
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.setup import yaml_edit
from batch_audit.setup.yaml_tree import Node, load, parse

CAPTURE_HOOK = "{{ batch_audit.capture() }}"
CAPTURE_CALL = re.compile(r"\bbatch_audit\s*\.\s*capture\s*\(")
_ITEM = f'"{CAPTURE_HOOK}"'
_ENTRY = f"+post-hook: {_ITEM}"


def add_capture_hook(text: str, source: str) -> str:
    """The text with the capture hook as the last post-hook of all models; unchanged when it has one.

    A hook that stands deeper under `models:` counts as well: somebody put it there, and a second one would
    capture every change twice. Raises ConfigurationError when the file cannot be read or only a person can
    edit it.
    """
    root = parse(text, source)
    if root is None or root.kind != "mapping":
        raise ConfigurationError(
            f"{source}: holds no mapping, so it is no dbt project file. Nothing was changed."
        )
    values = load(text, source)
    if has_capture(values.get("models")):
        return text
    edited = _edited(text, root, source)
    if _without_hook(_loaded(edited, source)) != _normal(values) or not has_capture(
        _loaded(edited, source).get("models")
    ):
        raise by_hand(source, "the lines around it are written in a way that cannot be changed safely")
    return edited


def has_capture(models: Any) -> bool:
    """Whether a `models:` section calls the capture hook in a post-hook at any level."""
    if not isinstance(models, dict):
        return False
    return any(
        CAPTURE_CALL.search(str(value)) is not None if is_post_hook(key, value) else has_capture(value)
        for key, value in models.items()
    )


def is_post_hook(key: Any, value: Any) -> bool:
    """Whether dbt reads an entry under `models:` as post-hook: all spellings, a mapping only behind `+`."""
    name = str(key)
    if name.startswith("+"):
        return name[1:].strip() in ("post-hook", "post_hook")
    return name in ("post-hook", "post_hook") and not isinstance(value, dict)


def by_hand(source: str, why: str) -> ConfigurationError:
    """The error for a file that this command must leave to a person, with the lines to add."""
    return ConfigurationError(
        f"{source}: the capture hook cannot be added: {why}.\n"
        f"  Nothing was changed. Add it yourself, as the last post-hook of all models, and run again:\n"
        f"    models:\n      {_ENTRY}"
    )


def _edited(text: str, root: Node, source: str) -> str:
    models = root.entry("models")
    if models is None:
        if root.flow:
            return yaml_edit.append_entry(text, root, f"models: {{{_ENTRY}}}")
        return yaml_edit.append_at_end(text, f"models:\n  {_ENTRY}\n")
    key, section = models
    if sum(entry[0].value == "models" for entry in root.entries()) > 1:
        raise by_hand(source, "`models:` occurs twice, and dbt obeys only the last one")
    if section.kind != "mapping" and not section.is_null:
        raise by_hand(source, "`models:` is not a mapping written in this place")
    hook = _effective_hook(section)
    if hook is not None:
        return _with_item(text, *hook, source, flow=section.flow)
    if any(entry[0].value == "<<" for entry in section.entries()):
        raise by_hand(
            source, "`models:` takes entries from elsewhere with `<<`, and they may hold a post-hook"
        )
    return yaml_edit.insert_first_entry(text, key, section, _ENTRY)


def _effective_hook(section: Node) -> tuple[Node, Node] | None:
    """The post-hook that dbt obeys: `post_hook` hides `post-hook`, a later entry hides an earlier one."""
    hooks = [
        (key, value)
        for key, value in section.entries()
        if is_post_hook(key.value, {} if value.kind == "mapping" else value.value)
    ]
    underscored = [entry for entry in hooks if entry[0].value.endswith("post_hook")]
    return next(iter(reversed(underscored or hooks)), None)


def _with_item(text: str, key: Node, value: Node, source: str, *, flow: bool) -> str:
    if value.kind == "alias":
        raise by_hand(
            source, f"`{key.value}` is the alias `*{value.value}`, and what it names may be used elsewhere"
        )
    if value.is_null:
        return yaml_edit.set_null(text, key, value, _ITEM)
    if value.kind == "sequence":
        return yaml_edit.append_item(text, value, _ITEM)
    return yaml_edit.wrap_in_list(text, key, value, _ITEM, flow=flow)


def _loaded(text: str, source: str) -> dict[str, Any]:
    try:
        values = load(text, source)
    except ConfigurationError as error:
        raise by_hand(
            source, "the lines around it are written in a way that cannot be changed safely"
        ) from error
    return values if isinstance(values, dict) else {}


def _without_hook(values: dict[str, Any]) -> dict[str, Any]:
    """The values that the file must have had before the edit, in the form of `_normal`."""
    models = dict(values.get("models") or {})
    for key in [key for key, value in models.items() if is_post_hook(key, value)]:
        hooks = models[key] if isinstance(models[key], list) else [models[key]]
        models[key] = [hook for hook in hooks if hook != CAPTURE_HOOK]
    return _normal({**values, "models": models})


def _normal(values: dict[str, Any]) -> dict[str, Any]:
    """Values in which a single hook equals a list of one, and an absent or empty section equals none."""
    models = dict(values.get("models") or {})
    for key in [key for key, value in models.items() if is_post_hook(key, value)]:
        hooks = models.pop(key)
        kept = hooks if isinstance(hooks, list) else [] if hooks is None else [hooks]
        if kept:
            # A literal hook at the end of a file without a line end gains one: that means nothing to SQL.
            models[key] = [hook.rstrip() if isinstance(hook, str) else hook for hook in kept]
    return {**values, "models": models}
