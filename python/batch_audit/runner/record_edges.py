"""Record edges of a run, for nodes that ask for them: which records each record that changed was made of.

Written after dbt has ended, from the SQL that it compiled and the relations as they are then, into a sealed segment.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from batch_audit.errors import BatchAuditError, ConfigurationError
from batch_audit.history.captures import Capture, Trail, read_node_trail
from batch_audit.history.record_hash import record_hash_sql
from batch_audit.history.replay import plan_undo, record_id_sql, select_sql
from batch_audit.ledger.rows import Segment, event_row
from batch_audit.ledger.seal import seal_segments
from batch_audit.ledger.tables import EVENT, RECORD_EDGE, SEGMENT
from batch_audit.lineage.code import NodeCode, codes_of_manifest
from batch_audit.lineage.edge_sql import TRACED, hashes_sql, insert_sql, origins, traced_sql
from batch_audit.lineage.hop import Hop, plan_hop, quoted_relation, read_by, spelled, with_key_alone
from batch_audit.runner.facts import Start
from batch_audit.runner.secrets import hide_known, secret_values
from batch_audit.setup.keys import meta
from batch_audit.trace.incremental import reads_itself
from batch_audit.warehouses.base import Warehouse, quote_identifier

PART = "record_lineage"
"""The type and the part of the events that say how the edges of a node were written."""
BEFORE = "batch_audit_before"
"""The temporary view of a node's relation as it was before this build."""


@dataclass(frozen=True)
class Edges:
    """What was written for a node: edges and the records that have some, of `changed`; or why nothing could be."""

    node: str
    changed: int = 0
    records: int = 0
    edges: int = 0
    label: str = "unknown"
    reasons: tuple[str, ...] = ()
    microseconds: int = 0

    def as_json(self) -> dict[str, Any]:
        """What the event of the node tells."""
        return {
            "status": self.label, "records_changed": self.changed, "records_traced": self.records, "edges": self.edges,
            "reasons": list(self.reasons), "microseconds": self.microseconds,
        }  # fmt: skip


def asks_for_edges(node: Mapping[str, Any]) -> bool:
    """Whether a manifest's node asks for its record edges: `audit_lineage: records` in its meta."""
    return meta(node).get("audit_lineage") == "records"


def record_edges(
    warehouse: Warehouse, start: Start, manifest: Mapping[str, Any], built: Mapping[str, str], now_us: int
) -> tuple[Edges, ...]:
    """Write the edges of the built nodes that ask for them, in one transaction for each, and seal them.

    `built`: unique_id to compiled code of what this run built. Raises WarehouseError when they cannot be written.
    """
    nodes = manifest.get("nodes") or {}
    wanted = [name for name in built if name in nodes and asks_for_edges(nodes[name])]
    if not wanted:
        return ()
    codes = codes_of_manifest(manifest, code=built)
    return tuple(_of_node(warehouse, start, codes[name], codes, now_us) for name in wanted)


def _of_node(
    warehouse: Warehouse, start: Start, code: NodeCode, codes: Mapping[str, NodeCode], now_us: int
) -> Edges:
    """The edges of one node: what the database refuses is tried with its key as the only output."""
    try:
        return _attempt(warehouse, start, code, codes, now_us)
    except BatchAuditError as error:
        reason = f"the database refused to trace it: {str(error).splitlines()[0]}"
    with suppress(BatchAuditError):
        return _attempt(warehouse, start, code, codes, now_us, key_alone=True)
    return _attempt(warehouse, start, code, codes, now_us, refused=reason)


def _attempt(
    warehouse: Warehouse, start: Start, code: NodeCode, codes: Mapping[str, NodeCode], now_us: int, *,
    key_alone: bool = False, refused: str | None = None,
) -> Edges:  # fmt: skip
    """Write the edges of one node; with `refused`, only that there are none, and why."""
    segment = Segment.open(
        "runner", batch_id=start.batch_id, batch_month=start.batch_month, invocation_id=None, now_us=now_us
    )
    writing = _Writing(warehouse, segment, code, codes, key_alone)
    began = time.monotonic()
    with warehouse.transaction():
        warehouse.insert(SEGMENT.name, SEGMENT.columns, [segment.row()])
        found = writing.write() if refused is None else writing.unknown(refused)
        reasons = tuple(filter(None, map(writing.shown, found.reasons)))
        found = replace(found, reasons=reasons, microseconds=int((time.monotonic() - began) * 1_000_000))
        event = event_row(
            segment, PART, 1, PART, occurred_at=now_us, target=warehouse.storable(code.node),
            actor=None if start.actor is None else warehouse.storable(start.actor), metadata=found.as_json(),
        )  # fmt: skip
        warehouse.insert(EVENT.name, EVENT.columns, [event])
        seal_segments(warehouse, [segment.segment], now_us=now_us)
    return found


class _Untraced(Exception):
    """Why the records of this build have no edges."""


class _Writing:
    """Writes the edges of one node into a segment, inside a transaction."""

    def __init__(
        self, warehouse: Warehouse, segment: Segment, code: NodeCode, codes: Mapping[str, NodeCode],
        key_alone: bool,
    ) -> None:  # fmt: skip
        self._warehouse, self._segment, self._code, self._codes = warehouse, segment, code, codes
        self._key_alone = key_alone
        self._columns = {
            node.node: warehouse.columns(node.relation[-2], node.relation[-1])
            for node in read_by(code, codes)
            if len(node.relation) > 1
        }
        self._ignored: dict[str, tuple[str, ...]] = {}

    def write(self) -> Edges:
        """The edges; what cannot be traced is one edge without records that says so."""
        try:
            return self._write()
        except _Untraced as reason:
            return self.unknown(str(reason))

    def unknown(self, reason: str) -> Edges:
        """One edge without records, which says why there are no others."""
        self._insert_one(1, label="unknown", reason=self.shown(reason))
        return Edges(self._code.node, edges=1, reasons=(reason,))

    def shown(self, reason: str | None) -> str | None:
        """A reason as it can be stored: it may quote SQL, and a secret in it."""
        return reason and self._warehouse.storable(hide_known(reason, secret_values(os.environ)))

    def _write(self) -> Edges:
        code, warehouse = self._code, self._warehouse
        if code.microbatch or code.kind not in ("table", "incremental"):
            raise _Untraced(
                f"record edges are written of tables and incremental models, and this is a {_kind_said(code)}"
            )
        trail = read_node_trail(warehouse, code.node)
        captures = [one for one in trail.seen if one.batch_id == self._segment.batch_id]
        if not captures:
            why = [one.reason for one in trail.uncaptured if one.batch_id == self._segment.batch_id]
            raise _Untraced(
                f"this build was not captured, so which records changed is not known ({why[-1] if why else '?'})"
            )
        capture = captures[-1]
        self._ignored[code.node] = capture.ignored
        code = self._code = replace(code, key=capture.key)
        hop = self._hop(trail, capture)
        told = [replace(one, reason=self.shown(one.reason)) for one in origins(hop)]
        if hop.query.edges_sql is None or hop.query.label == "unknown":
            raise _Untraced("; ".join(hop.query.reasons) or "its SQL reads no relation")
        warehouse.execute(f"drop table if exists {TRACED}")
        with warehouse.whole_passes(), warehouse.sound_traces():
            changed = self._changed_sql(capture)
            traced = traced_sql(hop, self._columns[code.node], changed, warehouse.values)
            warehouse.execute(f"create temporary table {TRACED} as {traced}")
            for source in dict.fromkeys(one.source for one in told):
                self._insert_of(source, [one for one in told if one.source == source], hop)
        [counted] = warehouse.query(
            f"select count(*) as edges, count(distinct target_record_id) as records from {TRACED}"
        )
        edges = int(counted["edges"]) + self._insert_about_all(told, int(counted["edges"]))
        number = int(
            warehouse.query(f"select count(*) as n from ({self._changed_sql(capture)}) as c")[0]["n"]
        )
        warehouse.execute(f"drop table {TRACED}; drop view if exists {BEFORE}")
        reasons = [*hop.query.reasons, *_left_out(captures, capture)]
        return Edges(
            code.node, number, int(counted["records"]), edges, hop.query.label, tuple(dict.fromkeys(reasons))
        )

    def _hop(self, trail: Trail, capture: Capture) -> Hop:
        """The hop of this build: an incremental model read itself as it was before."""
        columns = self._columns

        def text(node: str, column: str, expression: str) -> str:
            kind = next((one.type for one in columns.get(node, ()) if one.name == column), "text")
            return self._warehouse.values.canonical_text(expression, kind)

        instead = {}
        if reads_itself(self._code.sql or "", self._code.relation, self._code.dialect or ""):
            instead = {self._code.node: quote_identifier(BEFORE)}
            self._show_before(trail, capture)
        code = with_key_alone(self._code, self._spelled_key()) if self._key_alone else self._code
        hop = plan_hop(code or self._code, self._codes, columns, instead=instead, key_text=text)
        if not hop.key and hop.query.label != "unknown":
            raise _Untraced(f"its key ({', '.join(self._code.key)}) is not among its columns")
        return hop

    def _spelled_key(self) -> tuple[str, ...]:
        return spelled(self._code.key, [column.name for column in self._columns[self._code.node]])

    def _show_before(self, trail: Trail, capture: Capture) -> None:
        place = trail.place(capture)
        if place == 0:
            raise _Untraced("it reads itself, and how it was before its first capture is not known")
        warehouse, present = self._warehouse, self._columns[self._code.node]
        tables = warehouse.table("audit_event"), warehouse.table("audit_payload")
        try:
            undo = plan_undo(trail, trail.captures[place - 1], present, warehouse.values, warehouse.literal)
        except ConfigurationError as error:
            reason = str(error).splitlines()[0]
            raise _Untraced(f"it reads itself as it was before, which is not known: {reason}") from error
        warehouse.execute(f"drop view if exists {BEFORE}")
        warehouse.execute(f"create temporary view {BEFORE} as {select_sql(undo, *tables)}")

    def _changed_sql(self, capture: Capture) -> str:
        """The records that this build changed or made, with their hashes: all of them when it was the first."""
        warehouse, literal = self._warehouse, self._warehouse.literal
        if capture.mode == "first_build":
            columns = self._columns[self._code.node]
            record_id = record_id_sql(warehouse.values, capture.key, columns, "t")
            record_hash = record_hash_sql(warehouse, self._code.node, columns, capture.ignored, "t")
            return (
                f"select {record_id} as record_id, {record_hash} as record_hash from {capture.relation} as t"
            )
        return (
            f"select e.record_id, p.record_hash from {warehouse.table('audit_event')} as e left join"
            f" {warehouse.table('audit_payload')} as p on p.event_id = e.event_id and p.batch_month = e.batch_month"
            f" where e.segment = {literal(capture.segment)} and e.part = {literal(capture.part)} and e.batch_month ="
            f" {literal(capture.batch_month)} and e.event_type = 'record_write' and e.change_type <> 'delete'"
        )

    def _insert_of(self, source: str, of_source: Sequence[Any], hop: Hop) -> None:
        warehouse = self._warehouse
        warehouse.execute(
            insert_sql(
                warehouse.table(RECORD_EDGE.name), self._shared(), source, of_source,
                self._hashes(source, [one.occurrence for one in of_source]), warehouse.literal,
            )
        )  # fmt: skip

    def _hashes(self, source: str, occurrences: Sequence[str]) -> str | None:
        """The records of a source that has a key; its columns that do not count are those of its last capture."""
        node = self._codes.get(source)
        columns = self._columns.get(source)
        key = spelled(node.key, [column.name for column in columns]) if node and columns else ()
        if node is None or not columns or not key:
            return None
        if source not in self._ignored:
            captures = read_node_trail(self._warehouse, source).captures
            self._ignored[source] = captures[-1].ignored if captures else ()
        itself = source == self._code.node
        return hashes_sql(
            quote_identifier(BEFORE) if itself else quoted_relation(node),
            record_id_sql(self._warehouse.values, key, columns, "s"),
            record_hash_sql(self._warehouse, source, columns, self._ignored[source], "s"),
            occurrences,
            self._warehouse.literal,
        )

    def _shared(self) -> dict[str, str | None]:
        """The columns that all edges of this build share."""
        return {
            "segment": self._segment.segment, "part": self._code.node, "batch_id": self._segment.batch_id,
            "batch_month": self._segment.batch_month, "target": self._code.node,
        }  # fmt: skip

    def _insert_about_all(self, told: Sequence[Any], last_seq: int) -> int:
        """One edge without records for each source whose rows decided about every record alike."""
        rows = [one for one in told if one.role == "filter_all"]
        for number, one in enumerate(rows, 1):
            reason = "; ".join(
                filter(None, ("its rows decided about every record of this build alike", one.reason))
            )
            self._insert_one(
                last_seq + number,
                source=one.source,
                step=one.step,
                role="filter",
                label=one.label,
                reason=reason,
            )
        return len(rows)

    def _insert_one(self, seq: int, **values: str | None) -> None:
        row = {**self._shared(), "seq": seq, **values}
        self._warehouse.insert(
            RECORD_EDGE.name, RECORD_EDGE.columns, [[row.get(name) for name in RECORD_EDGE.columns]]
        )


def _kind_said(code: NodeCode) -> str:
    return "microbatch model" if code.microbatch else code.kind.replace("_", " ")


def _left_out(captures: Sequence[Capture], last: Capture) -> list[str]:
    found = []
    if len(captures) > 1:
        found.append(
            f"it was built {len(captures)} times in this batch: only what the last build changed was traced"
        )
    if last.not_stored:
        found.append(f"{last.not_stored} changed records were only counted (audit_max_records)")
    return found
