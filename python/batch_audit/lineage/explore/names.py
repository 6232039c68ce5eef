"""Finds what a person means by MODEL or MODEL.COLUMN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from batch_audit.errors import ConfigurationError
from batch_audit.lineage.explore.known import Dataset, Known
from batch_audit.lineage.project.graph import same_column
from batch_audit.lineage.schema import split_name


@dataclass(frozen=True)
class Reading:
    """One way to read a name: a dataset, and a column of it (None: all)."""

    unique_id: str
    column: str | None = None


def readings(text: str, datasets: Mapping[str, Dataset]) -> list[Reading]:
    """All ways to read the name. Raises ConfigurationError, with names that are near, where there is none.

    A dataset is named by its unique_id, its name (a source: source.table), or its relation by one to three parts.
    Case does not matter unless it tells two apart.
    """
    parts = split_name(text)
    named = _named(datasets.values())
    found: list[Reading] = []
    for end in range(len(parts), 0, -1):
        wanted, rest = ".".join(parts[:end]), ".".join(parts[end:]) or None
        fitting = named.get(wanted.lower(), {})
        exact = [one for one, spelt in fitting.items() if wanted in spelt]
        found += [Reading(one, rest) for one in exact or fitting]
    if found:
        return list(dict.fromkeys(found))
    near = get_close_matches(text.lower(), _labels(datasets.values()), 5, 0.5)
    near = near or get_close_matches(parts[0].lower() if parts else "", _labels(datasets.values()), 5, 0.6)
    raise ConfigurationError(
        f"There is no model, source, seed, snapshot or exposure {text!r}.\n  " + _remedy(near, len(datasets))
    )


def _remedy(near: Sequence[str], size: int) -> str:
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if not size:
        return "Nothing at all is known here: build with `batch-audit run`, or run `dbt compile`."
    return (
        "Give a name, source.table, a unique_id or database.schema.table, and a column after it if you like."
    )


def _named(datasets: Iterable[Dataset]) -> dict[str, dict[str, set[str]]]:
    """Name in lower case to the datasets that have it, each with the ways in which it is spelt."""
    named: dict[str, dict[str, set[str]]] = {}
    for dataset in datasets:
        relation = split_name(dataset.relation)
        spellings = {dataset.unique_id, dataset.name}
        spellings |= {".".join(relation[start:]) for start in range(len(relation))}
        if dataset.kind == "source":
            # Like ref(), the table alone is the name of a source for nobody but the warehouse.
            spellings.discard(".".join(relation[-1:]))
        for name in filter(None, spellings):
            named.setdefault(name.lower(), {}).setdefault(dataset.unique_id, set()).add(name)
    return named


def _labels(datasets: Iterable[Dataset]) -> list[str]:
    return sorted({dataset.name.lower() for dataset in datasets if dataset.name})


def choose(text: str, found: Sequence[Reading], known: Known) -> Reading:
    """The one reading that fits the columns.

    Raises ConfigurationError where none or several fit: for an unknown column with those that are near.
    """
    fitting = [one for one in found if one.column is None or _has(known, one.unique_id, one.column)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        said = [one.unique_id + (f" and its column {one.column}" if one.column else "") for one in fitting]
        raise ConfigurationError(
            f"{text!r} is not one thing: it may be {' or '.join(said)}.\n  Give the unique_id"
            f"{', the column after it' if any(one.column for one in fitting) else ''}."
        )
    first = found[0]
    columns, whence = known.columns(first.unique_id)
    near = get_close_matches(str(first.column).lower(), [name.lower() for name in columns], 5, 0.5)
    listed = f"Did you mean {' or '.join(near)}?" if near else f"Its columns are: {', '.join(columns[:40])}."
    raise ConfigurationError(
        f"{known.label(first.unique_id)} has no column {first.column!r} ({_whence(whence)}).\n  {listed}"
    )


def _whence(columns_from: str) -> str:
    return {
        "warehouse": "its columns are those of the warehouse",
        "documentation": "its columns are those of its documentation",
        "inferred": "its columns are those that its code gives",
    }.get(columns_from, "its columns are not known")


def _has(known: Known, unique_id: str, column: str) -> bool:
    """Whether a dataset has a column, or may have it: where the columns are not known, any name may be one."""
    columns, whence = known.columns(unique_id)
    if not columns or whence in ("unknown", "documentation"):
        return known.datasets[unique_id].kind != "exposure"
    return any(same_column(column, name) for name in columns)
