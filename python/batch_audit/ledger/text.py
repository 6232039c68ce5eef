"""Texts that are hashed: fields, rows, records, keys and payloads (docs/reference/store.md, "Text, hashes")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256

FORMAT_VERSION = "v1"
NULL_FIELD = "~N"


def sha256_hex(text: str) -> str:
    """Lower-case hex SHA-256 of the text's UTF-8 bytes, without normalisation."""
    return sha256(text.encode()).hexdigest()


def escape(text: str) -> str:
    """The text with `~` written `~0` and `|` written `~1`, so that `|` can only separate and `~N` can only be NULL."""
    return text.replace("~", "~0").replace("|", "~1")


def field(value: str | int | None) -> str:
    """One value as it stands in a row text: escaped text, plain decimal, or `~N` for NULL."""
    if value is None:
        return NULL_FIELD
    return escape(value) if isinstance(value, str) else str(value)


def row_text(table: str, values: Sequence[str | int | None]) -> str:
    """`v1|<table>|<number of fields>|<field>…` over values in the table's declared order."""
    return "|".join((FORMAT_VERSION, table, str(len(values)), *map(field, values)))


def record_text(unique_id: str, values: Mapping[str, str | None]) -> str:
    """What `old_hash` and `record_hash` hash: `v1|<unique_id>` and `|<name>=<value>` per value that is not NULL.

    `values` maps a column's name to its canonical text. Names are sorted by code points; NULLs are left out so that
    an added, still empty column changes no hash.
    """
    named = (
        f"{escape(name).replace('=', '~2')}={escape(text)}"
        for name, text in sorted(values.items())
        if text is not None
    )
    return "|".join((FORMAT_VERSION, escape(unique_id), *named))


def record_id(key: Sequence[str | None]) -> str:
    """The key columns' canonical texts as fields, joined by `|` in the order of the key."""
    return "|".join(map(field, key))


def payload_commitment(
    salt: str | None,
    old_hash: str | None,
    record_hash: str | None,
    old_value: str | None,
    new_value: str | None,
) -> str:
    """The hash that an event keeps of its payload, so that the payload can be erased and the chain still verifies."""
    return sha256_hex(row_text("audit_payload", (salt, old_hash, record_hash, old_value, new_value)))


def values_json(values: Mapping[str, str | None]) -> str:
    """A record's values as they are stored: a compact JSON object of text or null with sorted keys."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
