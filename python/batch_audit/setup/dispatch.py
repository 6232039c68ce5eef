"""Names the package in the `dispatch` of a dbt_project.yml, so that dbt comes by before it changes rows in place."""

from __future__ import annotations

from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.setup import yaml_edit
from batch_audit.setup.packages import PACKAGE_NAME
from batch_audit.setup.yaml_tree import Node, load, parse

NAMESPACE = "dbt"


def add_dispatch(text: str, source: str) -> str:
    """The text with the package before dbt in the search order of dbt's macros; unchanged when it stands there.

    Raises ConfigurationError when the file cannot be read or only a person can edit it.
    """
    values = load(text, source)
    if not isinstance(values, dict) or is_dispatched(values.get("dispatch")):
        return text
    project = str(values.get("name"))
    edited = _edited(text, parse(text, source), project, source)
    if load(edited, source) != {**values, "dispatch": _expected(values.get("dispatch"), project)}:
        raise _by_hand(
            source, project, "the lines around it are written in a way that cannot be changed safely"
        )
    return edited


def is_dispatched(dispatch: Any) -> bool:
    """Whether a `dispatch:` section leads dbt's macros to the package before dbt itself."""
    entry = _entry(dispatch)
    order = [str(name) for name in (entry or {}).get("search_order") or []]
    return PACKAGE_NAME in (order[: order.index(NAMESPACE)] if NAMESPACE in order else order)


def _entry(dispatch: Any) -> dict[str, Any] | None:
    entries = dispatch if isinstance(dispatch, list) else []
    return next(
        (item for item in entries if isinstance(item, dict) and item.get("macro_namespace") == NAMESPACE),
        None,
    )


def _line(project: str) -> str:
    return f"{{macro_namespace: {NAMESPACE}, search_order: [{project}, {PACKAGE_NAME}, {NAMESPACE}]}}"


def _expected(dispatch: Any, project: str) -> list[Any]:
    entries = list(dispatch or [])
    entry = _entry(entries)
    if entry is None:
        return [*entries, {"macro_namespace": NAMESPACE, "search_order": [project, PACKAGE_NAME, NAMESPACE]}]
    order = [name for name in entry["search_order"] if name != PACKAGE_NAME]
    place = order.index(NAMESPACE) if NAMESPACE in order else len(order)
    changed = {**entry, "search_order": [*order[:place], PACKAGE_NAME, *order[place:]]}
    return [changed if item is entry else item for item in entries]


def _edited(text: str, root: Node | None, project: str, source: str) -> str:
    found = root.entry("dispatch") if root is not None else None
    if root is None or found is None:
        if root is not None and root.flow:
            return yaml_edit.append_entry(text, root, f"dispatch: [{_line(project)}]")
        return yaml_edit.append_at_end(text, f"dispatch:\n  - {_line(project)}\n")
    key, section = found
    if section.is_null:
        return yaml_edit.insert_first_line(text, key, section, f"- {_line(project)}")
    if section.kind != "sequence":
        raise _by_hand(source, project, "`dispatch:` is not a list written in this place")
    for item in section.children:
        namespace = item.entry("macro_namespace") if item.kind == "mapping" else None
        if namespace is not None and namespace[1].value == NAMESPACE:
            return _with_package(text, item, project, source)
    return yaml_edit.append_item(text, section, _line(project))


def _with_package(text: str, item: Node, project: str, source: str) -> str:
    order = item.entry("search_order")
    if order is None or order[1].kind != "sequence" or not order[1].children:
        raise _by_hand(source, project, "`search_order` is not a list written in this place")
    names = order[1]
    if any(child.value == PACKAGE_NAME for child in names.children):
        raise _by_hand(source, project, f"`search_order` names {PACKAGE_NAME} behind {NAMESPACE}")
    own = next((child for child in names.children if child.value == NAMESPACE), None)
    return yaml_edit.append_item(text, names, PACKAGE_NAME) if own is None else _before(text, names, own)


def _before(text: str, names: Node, own: Node) -> str:
    if names.flow:
        return f"{text[: own.start]}{PACKAGE_NAME}, {text[own.start :]}"
    dash = text.rindex("-", 0, own.start)
    indent = " " * yaml_edit.column_of(text, dash)
    return f"{text[:dash]}- {PACKAGE_NAME}{yaml_edit.newline_of(text)}{indent}{text[dash:]}"


def _by_hand(source: str, project: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{source}: {PACKAGE_NAME} cannot be added to `dispatch`: {why}.\n"
        "  Nothing was changed. Add it yourself, before dbt, and run again:\n"
        f"    dispatch:\n      - {_line(project)}"
    )
