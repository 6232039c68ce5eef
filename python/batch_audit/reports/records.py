"""What differs between a record before and after."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from batch_audit.reports.reader import Row
from batch_audit.reports.values import Missing, Stored

Values = Mapping[str, str | None]
State = Literal["changed", "same", "ignored"]


@dataclass(frozen=True)
class Field:
    """One field of a changed record. `ignored` fields differ without counting as a change."""

    name: str
    before: Stored
    after: Stored
    state: State


@dataclass(frozen=True)
class RecordChange:
    """One changed record: its key's values and its fields, the changed ones first and then by name."""

    record_id: str
    change_type: str
    fields: Sequence[Field]
    erased: bool

    @property
    def telling(self) -> Sequence[Field]:
        """The fields that differ; for an insert or a delete all that have a value and are not ignored."""
        return [field for field in self.fields if field.state == "changed"]

    @property
    def rest(self) -> Sequence[Field]:
        """The other fields."""
        return [field for field in self.fields if field.state != "changed"]


def record_change(row: Row, ignored: Collection[str]) -> RecordChange:
    """The change that a row of fct_record_changes describes; `ignored` names columns that do not count."""
    before, after = stored_values(row["old_values"]), stored_values(row["new_values"])
    erased = bool(row["values_erased"])
    changed = json.loads(row["changed_fields_json"] or "[]") if row["change_type"] == "update" else None
    return RecordChange(
        row["record_id"], row["change_type"], fields_of(before, after, changed, ignored, erased), erased
    )


def fields_of(
    before: Values, after: Values, changed: Sequence[str] | None, ignored: Collection[str], erased: bool
) -> list[Field]:
    """The fields of a change, the changed ones first. `changed` names those of an update; None for other changes.

    Of a record that came or went, the fields that have a value. Of an erased update only the names are left.
    """
    if changed is not None:
        names = [*changed, *sorted((before.keys() | after.keys()) - set(changed))]
        return [_field(name, before, after, name in changed, erased) for name in names]
    present = before or after
    fields = [
        _field(name, before, after, name not in ignored, erased)
        for name in present
        if present[name] is not None
    ]
    return sorted(fields, key=lambda field: field.state != "changed")


def _field(name: str, before: Values, after: Values, changed: bool, erased: bool) -> Field:
    gone = Missing.ERASED if erased else Missing.ABSENT
    old, new = before.get(name, gone), after.get(name, gone)
    # A column that came with NULL, or went with it, changed nothing in the record.
    same = old == new or not (isinstance(old, str) or isinstance(new, str))
    state: State = "changed" if changed else "same" if same else "ignored"
    return Field(name, old, new, state)


def stored_values(text: str | None) -> dict[str, str | None]:
    """A stored record: a JSON object of text or null; nothing when it is absent."""
    return {} if text is None else dict(json.loads(text))
