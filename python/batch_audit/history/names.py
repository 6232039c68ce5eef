"""Names of relations and of records, as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from batch_audit.errors import ConfigurationError
from batch_audit.ledger.text import escape, record_id

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


def parse_relation(text: str, *, default: str = "", database: str | None = None) -> tuple[str, str]:
    """(schema, name) of `name`, `schema.name` or `database.schema.name`; parts may be in double quotes.

    Parts are taken as they are written, without folding their case. Raises ConfigurationError for anything else, and
    for a database that is not `database`.
    """
    parts: list[str] = []
    rest = text.strip()
    while rest:
        found = _PART.match(rest)
        if found is None:
            break
        parts.append(found[1].replace('""', '"') if found[1] is not None else found[2].strip())
        rest = rest[found.end() :]
        if not rest.startswith(".") or len(rest) == 1:
            break
        rest = rest[1:]
    if rest or not 1 <= len(parts) <= 3:
        raise ConfigurationError(f"{text!r} does not name a relation: write name, or schema.name.")
    if len(parts) == 3 and database is not None and parts[0] != database:
        raise ConfigurationError(
            f"{text!r} lies in another database than the audit store ({database}): one transaction writes one database."
        )
    return (parts[-2] if len(parts) > 1 else default), parts[-1]


def parse_key(columns: Sequence[str], key: str | None, named: Sequence[str]) -> str:
    """The record id that KEY or the `column=value` pairs in `named` mean.

    Of one key column, KEY is the value as it is; of several, their values joined by `|`, in which `~` is written `~0`
    and `|` is written `~1`. Raises ConfigurationError when they do not fit the key.
    """
    wanted = ", ".join(columns)
    if (key is None) == (not named):
        raise ConfigurationError(
            f"Give the record's key, either as KEY or as --key COLUMN=VALUE. The key is: {wanted}."
        )
    if named:
        return record_id(_named(columns, named, wanted))
    text = key or ""
    if len(columns) == 1:
        return escape(text)
    if len(text.split("|")) != len(columns) or re.search("~(?![01])", text):
        raise ConfigurationError(
            f"{text!r} does not fit the key ({wanted}): join its values by | in this order, with ~0 for ~ and ~1 for |"
            " within a value, or give --key COLUMN=VALUE for each."
        )
    return text


def _named(columns: Sequence[str], named: Sequence[str], wanted: str) -> list[str]:
    given: dict[str, str] = {}
    for pair in named:
        name, equals, value = pair.partition("=")
        if not equals or name in given:
            raise ConfigurationError(f"--key {pair!r}: give COLUMN=VALUE once for each of {wanted}.")
        given[name] = value
    if given.keys() != set(columns):
        raise ConfigurationError(f"--key names {', '.join(given)}, and the key is: {wanted}.")
    return [given[column] for column in columns]
