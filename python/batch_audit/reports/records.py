"""What differs between a record before and after."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from batch_audit.reports.reader import Row

Values = Mapping[str, str | None]
State = Literal["changed", "same", "ignored"]


@dataclass(frozen=True)
class Field:
    """One field of a changed record. `ignored` fields differ without counting as a change."""

    name: str
    before: str | None
    after: str | None
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
    if row["change_type"] == "update":
        changed = json.loads(row["changed_fields_json"] or "[]")
        names = [*changed, *sorted((before.keys() | after.keys()) - set(changed))]
        fields = [_field(name, before, after, name in changed) for name in names]
    else:
        present = before or after
        fields = [
            _field(name, before, after, name not in ignored) for name in present if present[name] is not None
        ]
        fields.sort(key=lambda field: field.state != "changed")
    return RecordChange(row["record_id"], row["change_type"], fields, bool(row["values_erased"]))


def _field(name: str, before: Values, after: Values, changed: bool) -> Field:
    old, new = before.get(name), after.get(name)
    state: State = "changed" if changed else "same" if old == new else "ignored"
    return Field(name, old, new, state)


def stored_values(text: str | None) -> dict[str, str | None]:
    """A stored record: a JSON object of text or null; nothing when it is absent."""
    return {} if text is None else dict(json.loads(text))
