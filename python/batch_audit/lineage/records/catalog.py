"""The relations that the caller knows: columns, types and keys, by name however it is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from batch_audit.lineage.records.errors import BadArgument
from batch_audit.lineage.schema import Columns, Schema, split_name

Keys = Mapping[str, str | Iterable[str]]


@dataclass(frozen=True)
class Known:
    """A relation: its name as the caller wrote it, columns with types ('' where not given), its key (may be empty)."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]


class Catalog:
    """Finds a relation by the parts that a query writes."""

    def __init__(self, schema: Mapping[str, Columns], keys: Keys) -> None:
        self._schema = Schema(schema)
        self._names = Schema({name: [name] for name in schema})
        self._keys = Schema(
            {name: [key] if isinstance(key, str) else list(key) for name, key in keys.items()}
        )
        for name in keys:
            self._check_key(name)

    def _check_key(self, name: str) -> None:
        parts = split_name(name)
        found, key = self._schema.columns(parts), self._keys.columns(parts)
        if found and key:
            names = {column.lower() for column in found[0]}
            missing = [column for column in key[0] if column.lower() not in names]
            if missing:
                raise BadArgument(
                    f"{name} has no column {', '.join(missing)}, which `keys` names as its key."
                    f" Its columns are {', '.join(found[0])}."
                )

    def find(self, parts: Sequence[str]) -> Known | None:
        """The relation of this name, or None: not listed, or several fit."""
        found = self._schema.columns(parts)
        if found is None:
            return None
        names, types = found
        name = self._names.columns(parts)
        key = self._keys.columns(parts)
        spelled = {column.lower(): column for column in names}
        columns = {column: types.get(column, "") for column in names}
        own = tuple(spelled[column.lower()] for column in key[0]) if key else ()
        return Known(name[0][0] if name else ".".join(parts), columns, own)


def is_mixed(name: str) -> bool:
    """Whether a name has capital and small letters: then it was quoted when it was made."""
    return name not in (name.lower(), name.upper())
