"""The schema that the caller gives: names of one to three parts to columns."""

import re
from collections.abc import Iterable, Mapping, Sequence

from batch_audit.lineage.relations import Base

# A relation's columns: names, or name to type.
Columns = Iterable[str] | Mapping[str, object]
_PART = re.compile(r'"((?:[^"]|"")*)"|`([^`]*)`|\[([^\]]*)\]|([^.]+)')


def split_name(name: str) -> tuple[str, ...]:
    """The parts of a dotted name, without quotes: `"a.b".c` has two."""
    return tuple(
        next((part for part in match.groups() if part is not None), "").replace('""', '"')
        for match in _PART.finditer(name)
    )


class Schema:
    """Finds a relation by the parts that are written, whatever their case: the rest must fit one relation only."""

    def __init__(self, given: Mapping[str, Columns] | None) -> None:
        self._shared: Schema | None = None
        self._given: dict[tuple[str, ...], Columns] = {}
        self._by_suffix: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for name, columns in (given or {}).items():
            self.declare(split_name(name), columns)

    @classmethod
    def of(cls, given: "Mapping[str, Columns] | Schema | None") -> "Schema":
        """A schema for one call: what a script declares must not reach the next one."""
        if not isinstance(given, Schema):
            return cls(given)
        own = cls(None)
        own._shared = given
        return own

    def declare(self, parts: Sequence[str], columns: Columns) -> None:
        """Add a relation."""
        key = tuple(part.lower() for part in parts)
        if key not in self._given:
            for start in range(len(key)):
                self._by_suffix.setdefault(key[start:], []).append(key)
        self._given[key] = columns

    def columns(self, parts: Sequence[str]) -> tuple[list[str], dict[str, str]] | None:
        """Columns in order and their types (empty where not given), or None: not listed, or not told apart."""
        wanted = tuple(part.lower() for part in parts)
        if self._shared is not None and wanted not in self._given:
            return self._shared.columns(parts)
        if wanted not in self._given:
            longer = self._by_suffix.get(wanted, [])
            shorter = [wanted[start:] for start in range(1, len(wanted)) if wanted[start:] in self._given]
            fitting = longer or shorter[:1]
            if len(fitting) != 1:
                return None
            wanted = fitting[0]
        columns = self._given[wanted]
        if isinstance(columns, Mapping):
            return list(columns), {name: str(kind) for name, kind in columns.items()}
        return list(columns), {}

    def base(self, parts: Sequence[str]) -> Base:
        """The table of this name, as written."""
        found = self.columns(parts)
        name = ".".join(parts)
        return Base(name, *found) if found else Base(name, None)
