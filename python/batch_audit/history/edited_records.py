"""Which records of a relation are not as the log left them, as far as the log knows their values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch_audit.history.captures import Trail
from batch_audit.history.moments import spellings, unbroken
from batch_audit.history.replay import (
    Replay,
    changes_sql,
    compared_now,
    edges_sql,
    record_id_sql,
    unequal_sql,
)
from batch_audit.warehouses.base import Column, Warehouse, quote_identifier

KINDS = ("missing", "there_again", "added", "repeated", "edited")


@dataclass(frozen=True)
class EditedRecords:
    """The records that differ from the log.

    `kinds` counts them: `missing` ones should be there, `there_again` ones should be gone, `added` ones are in no
    capture, `repeated` ones have their key in several rows, `edited` ones have other values. `samples` has some, each
    with the fields that differ. The log knows the values of `known` of the `rows` records that the last capture left;
    of `erased` ones it knows only that they are there.
    """

    kinds: Mapping[str, int]
    samples: list[dict[str, Any]]
    known: int
    erased: int
    rows: int

    def as_json(self) -> dict[str, Any]:
        """The records for machines."""
        return {
            "records": dict(self.kinds),
            "samples": self.samples,
            "log_knows": {"known": self.known, "erased": self.erased, "of": self.rows},
        }


def read_edited_records(
    warehouse: Warehouse, trail: Trail, present: list[Column], limit: int
) -> EditedRecords:
    """Hold the relation, which has the columns `present`, against what the log says; shows at most `limit` records."""
    replay = Replay(trail, trail.newest, unbroken(trail), tuple(present), warehouse.values, warehouse.literal)
    tables = (warehouse.table("audit_event"), warehouse.table("audit_payload"))
    logged = changes_sql(replay.replayed, trail.node, *tables, warehouse.literal)
    row = warehouse.query(
        f"{logged} select count(case when not erased then 1 end) as known, count(case when erased then 1 end) as erased"
        f" from ({edges_sql('desc')}) as l where change_type <> 'delete'"
    )[0]
    known, erased = int(row["known"]), int(row["erased"])
    # What it knows was there, so as many as were left are all that were.
    sql = _Sql(replay, logged, complete=known + erased == trail.newest.rows_after)
    kinds = {str(row["kind"]): int(row["n"]) for row in warehouse.query(sql.counts())}
    rows = warehouse.query(sql.samples(limit)) if kinds and limit else []
    return EditedRecords(
        {kind: kinds.get(kind, 0) for kind in KINDS},
        [sql.sample(row) for row in rows],
        known,
        erased,
        trail.newest.rows_after,
    )


class _Sql:
    """The queries: the last change of each record, beside the relation as it is."""

    def __init__(self, replay: Replay, logged: str, *, complete: bool):
        self._replay = replay
        self._present = replay.present or ()
        self._columns = compared_now(replay, self._present)
        self._logged = logged
        # No capture leaves a record without a key; another one is new only if the log knows all that there were.
        self._unknown = "'added'" if complete else "null"

    def counts(self) -> str:
        """How many records there are of each kind."""
        return f"{self._named([])} select kind, count(*) as n from named group by kind"

    def samples(self, limit: int) -> str:
        """The first records by kind and record id, with the values that the log and the relation have (f_0, f_1, …)."""
        values = [
            self._replay.values.canonical_text(f"t.{quote_identifier(column.name)}", column.type)
            for column in self._columns
        ]
        order = " ".join(f"when '{kind}' then {place}" for place, kind in enumerate(KINDS))
        return f"{self._named(values)} select * from named order by case kind {order} end, record_id limit {int(limit)}"

    def _named(self, values: list[str]) -> str:
        """A `with` of `named`: each record that differs, and what is read of its row."""
        replay, relation = self._replay, self._replay.trail.newest.relation
        fields, unequal = unequal_sql(replay, self._present)
        key = record_id_sql(replay.values, replay.trail.newest.key, self._present, "t")
        read = "".join(f", {value} as f_{place}" for place, value in enumerate(values))
        nothing = "".join(f", cast(null as text) as f_{place}" for place in range(len(values)))
        return (
            f"{self._logged}, lasts as (select record_id as id, change_type, erased, new_value, {fields} as"
            f" batch_audit_fields from ({edges_sql('desc')}) as l), present as (select t.*, {key} as batch_audit_id,"
            f" 1 as batch_audit_there from {relation} as t),"
            " judged as (select coalesce(l.id, t.batch_audit_id) as record_id,"
            " case when t.batch_audit_there is null then case when l.change_type <> 'delete' then 'missing' end"
            f" when t.batch_audit_id is null then 'added' when l.id is null then {self._unknown}"
            " when l.change_type = 'delete' then 'there_again'"
            f" when not l.erased and ({unequal}) then 'edited' end as kind, l.new_value{read}"
            " from lasts as l full outer join present as t on l.id = t.batch_audit_id),"
            f" named as (select * from judged where kind is not null union all select {key} as record_id, 'repeated',"
            f" null{nothing} from {relation} as t where {key} is not null group by {key} having count(*) > 1)"
        )

    def sample(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A record that differs: its id (None without a key), its kind, and by field what was logged and found."""
        logged = json.loads(row["new_value"] or "{}")
        fold = self._replay.values.fold
        fields = {}
        for place, column in enumerate(self._columns):
            spelt = spellings(self._replay.replayed, fold, column.name)
            expected = next((logged[name] for name in spelt if logged.get(name) is not None), None)
            if expected != row[f"f_{place}"]:
                fields[column.name] = {"logged": expected, "found": row[f"f_{place}"]}
        return {"record_id": row["record_id"], "kind": row["kind"], "fields": fields}
