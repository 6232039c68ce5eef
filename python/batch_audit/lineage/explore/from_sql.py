"""Reads the lineage of a piece of SQL, without a project."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, TypeVar

from batch_audit.errors import ConfigurationError
from batch_audit.lineage.explore.known import Dataset, Known, Origin, known
from batch_audit.lineage.project import NodeLineage, ProjectEdge
from batch_audit.lineage.project.worker import RECURSION_LIMIT

R = TypeVar("R")
_STACK_BYTES = 512 * 1024 * 1024


def read_sql(
    sql: str, dialect: str | None, schema: Mapping[str, Any], target: str, place: str
) -> tuple[Known, list[str]]:
    """What the SQL tells, and the relations that it fills in their order. `place` says where it is from."""
    from batch_audit.lineage import column_lineage

    found = deeply(lambda: column_lineage(sql, dialect=dialect, schema=schema, target=target))
    edges = [
        ProjectEdge(e.target, e.source, e.source_column, e.target, e.target_column, e.kind, e.subtype, e.masking,
                    e.expression)
        for e in found.edges
    ]  # fmt: skip
    gaps = [(gap.target or target, (gap.target_column, gap.reason, gap.sql)) for gap in found.unknown]
    targets = list(dict.fromkeys([*found.columns, *(e.target for e in edges), *(name for name, _ in gaps)]))
    lineages = {
        name: NodeLineage(
            name, tuple(edge for edge in edges if edge.target == name),
            tuple(gap for about, gap in gaps if about == name),
            tuple(column for column in found.columns.get(name, ()) if column != "*"), "inferred",
        )
        for name in targets
    }  # fmt: skip
    names = {*targets, *(edge.source for edge in edges)}
    relations = {name: Dataset(name, "relation", name) for name in names}
    return known(lineages, relations, Origin("sql", place)), targets


def check_dialect(name: str) -> str:
    """The dialect as sqlglot names it. Raises ConfigurationError for an unknown one."""
    from sqlglot import Dialect
    from sqlglot.dialects import DIALECTS

    if name.lower() and Dialect.get(name.lower()) is not None:
        return name.lower()
    every = sorted(one.lower() for one in DIALECTS)
    near = get_close_matches(name.lower(), every, 3, 0.5)
    raise ConfigurationError(
        f"There is no dialect {name!r}.\n  "
        + (f"Did you mean {' or '.join(near)}?" if near else f"Known are: {', '.join(every)}.")
    )


def parse_schema(text: str, place: str) -> dict[str, Any]:
    """A schema file in YAML or JSON: relation to a list of columns, or to column and type.

    Raises ConfigurationError for anything else.
    """
    content = _parsed(text, place)
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{place} has no relations: write `relation: [column, column]` for each.")
    schema: dict[str, Any] = {}
    for name, columns in content.items():
        if isinstance(columns, Mapping) and all(isinstance(kind, str) for kind in columns.values()):
            schema[str(name)] = {str(column): str(kind) for column, kind in columns.items()}
        elif isinstance(columns, list) and not any(isinstance(column, (list, Mapping)) for column in columns):
            schema[str(name)] = [str(column) for column in columns]
        else:
            raise ConfigurationError(
                f"{place}: the columns of {name} are neither a list of names nor pairs of name and type."
            )
    return schema


def _parsed(text: str, place: str) -> Any:
    """JSON or YAML in which every scalar is a text: a column may be called no, on or 1."""
    import yaml

    with suppress(ValueError, RecursionError):
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (makes texts, lists and mappings only)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{place} is neither YAML nor JSON: {reason}.") from error


def deeply(function: Callable[[], R]) -> R:
    """Call a function where it may recurse deeply: generated SQL has hundreds of nested branches."""
    done: list[R] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(function())
        except BaseException as error:  # raised again below, in the thread that asked
            failed.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    sys.setrecursionlimit(RECURSION_LIMIT)
    try:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
    if failed:
        raise failed[0]
    return done[0]
