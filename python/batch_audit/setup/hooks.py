"""Adds the hooks of all models, the capture and the copy before it, to the text of a dbt_project.yml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.setup import yaml_edit
from batch_audit.setup.yaml_tree import Node, load, parse

CAPTURE_HOOK = "{{ batch_audit.capture() }}"
COPY_HOOK = "{{ batch_audit.copy_previous() }}"


@dataclass(frozen=True)
class Line:
    """A hook of all models: `key` is post-hook or pre-hook, `sql` what dbt renders, `call` finds it in any spelling."""

    key: str
    sql: str
    call: re.Pattern[str]

    @property
    def item(self) -> str:
        """It as an item of a YAML list."""
        return f'"{self.sql}"'

    @property
    def entry(self) -> str:
        """It as an entry under `models:`."""
        return f"+{self.key}: {self.item}"

    def is_hook(self, key: Any, value: Any) -> bool:
        """Whether dbt reads an entry under `models:` as this kind of hook: all spellings, a mapping only behind `+`."""
        name, spellings = str(key), (self.key, self.key.replace("-", "_"))
        if name.startswith("+"):
            return name[1:].strip() in spellings
        return name in spellings and not isinstance(value, dict)

    def stands_in(self, models: Any) -> bool:
        """Whether a `models:` section calls it in a hook of its kind at any level."""
        if not isinstance(models, dict):
            return False
        return any(
            self.call.search(str(value)) is not None if self.is_hook(key, value) else self.stands_in(value)
            for key, value in models.items()
        )


CAPTURE = Line("post-hook", CAPTURE_HOOK, re.compile(r"\bbatch_audit\s*\.\s*capture\s*\("))
COPY = Line("pre-hook", COPY_HOOK, re.compile(r"\bbatch_audit\s*\.\s*copy_previous\s*\("))


def add_hook(text: str, source: str, line: Line = CAPTURE) -> str:
    """The text with the line as the last hook of its kind of all models; unchanged when it has one.

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
    if line.stands_in(values.get("models")):
        return text
    edited = _edited(text, root, source, line)
    loaded = _loaded(edited, source, line)
    if _without_hook(loaded, line) != _normal(values, line) or not line.stands_in(loaded.get("models")):
        raise by_hand(source, line, "the lines around it are written in a way that cannot be changed safely")
    return edited


def by_hand(source: str, line: Line, why: str) -> ConfigurationError:
    """The error for a file that this command must leave to a person, with the lines to add."""
    return ConfigurationError(
        f"{source}: the {'capture hook' if line is CAPTURE else line.key} cannot be added: {why}.\n"
        f"  Nothing was changed. Add it yourself, as the last {line.key} of all models, and run again:\n"
        f"    models:\n      {line.entry}"
    )


def _edited(text: str, root: Node, source: str, line: Line) -> str:
    models = root.entry("models")
    if models is None:
        if root.flow:
            return yaml_edit.append_entry(text, root, f"models: {{{line.entry}}}")
        return yaml_edit.append_at_end(text, f"models:\n  {line.entry}\n")
    key, section = models
    if sum(entry[0].value == "models" for entry in root.entries()) > 1:
        raise by_hand(source, line, "`models:` occurs twice, and dbt obeys only the last one")
    if section.kind != "mapping" and not section.is_null:
        raise by_hand(source, line, "`models:` is not a mapping written in this place")
    hook = _effective_hook(section, line)
    if hook is not None:
        return _with_item(text, *hook, source, line, flow=section.flow)
    if any(entry[0].value == "<<" for entry in section.entries()):
        raise by_hand(
            source, line, "`models:` takes entries from elsewhere with `<<`, and they may hold a " + line.key
        )
    return yaml_edit.insert_first_entry(text, key, section, line.entry)


def _effective_hook(section: Node, line: Line) -> tuple[Node, Node] | None:
    """The hook that dbt obeys: `post_hook` hides `post-hook`, a later entry hides an earlier one."""
    hooks = [
        (key, value)
        for key, value in section.entries()
        if line.is_hook(key.value, {} if value.kind == "mapping" else value.value)
    ]
    underscored = [entry for entry in hooks if entry[0].value.endswith(line.key.replace("-", "_"))]
    return next(iter(reversed(underscored or hooks)), None)


def _with_item(text: str, key: Node, value: Node, source: str, line: Line, *, flow: bool) -> str:
    if value.kind == "alias":
        raise by_hand(
            source,
            line,
            f"`{key.value}` is the alias `*{value.value}`, and what it names may be used elsewhere",
        )
    if value.is_null:
        return yaml_edit.set_null(text, key, value, line.item)
    if value.kind == "sequence":
        return yaml_edit.append_item(text, value, line.item)
    return yaml_edit.wrap_in_list(text, key, value, line.item, flow=flow)


def _loaded(text: str, source: str, line: Line) -> dict[str, Any]:
    try:
        values = load(text, source)
    except ConfigurationError as error:
        raise by_hand(
            source, line, "the lines around it are written in a way that cannot be changed safely"
        ) from error
    return values if isinstance(values, dict) else {}


def _without_hook(values: dict[str, Any], line: Line) -> dict[str, Any]:
    """The values that the file must have had before the edit, in the form of `_normal`."""
    models = dict(values.get("models") or {})
    for key in [key for key, value in models.items() if line.is_hook(key, value)]:
        hooks = models[key] if isinstance(models[key], list) else [models[key]]
        models[key] = [hook for hook in hooks if hook != line.sql]
    return _normal({**values, "models": models}, line)


def _normal(values: dict[str, Any], line: Line) -> dict[str, Any]:
    """Values in which a single hook equals a list of one, and an absent or empty section equals none."""
    models = dict(values.get("models") or {})
    for key in [key for key, value in models.items() if line.is_hook(key, value)]:
        hooks = models.pop(key)
        kept = hooks if isinstance(hooks, list) else [] if hooks is None else [hooks]
        if kept:
            # A literal hook at the end of a file without a line end gains one: that means nothing to SQL.
            models[key] = [hook.rstrip() if isinstance(hook, str) else hook for hook in kept]
    return {**values, "models": models}
