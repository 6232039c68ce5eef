"""Column lineage of a run: read beside dbt while it builds, then written into a sealed segment of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from batch_audit.errors import BatchAuditError
from batch_audit.ledger.rows import Row, Segment, event_row
from batch_audit.ledger.seal import seal_segments
from batch_audit.ledger.tables import COLUMN_EDGE, EVENT, SEGMENT
from batch_audit.lineage.code import as_recorded, codes_of_project
from batch_audit.lineage.project import (
    Cache,
    NodeLineage,
    Pool,
    Project,
    RunValues,
    read_lineage,
    read_project,
)
from batch_audit.lineage.project.manifest import with_file
from batch_audit.runner.dbt_options import Paths
from batch_audit.runner.facts import Start
from batch_audit.runner.log_files import LogMark
from batch_audit.runner.record_edges import record_edges
from batch_audit.runner.secrets import hide_known, secret_values
from batch_audit.setup.keys import RecordKey, record_keys
from batch_audit.warehouses.base import Warehouse

PART = "lineage"
"""The part of the events that tell of lineage; edges lie in the part of the node whose code they are in."""
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
_LOWEST_PRIORITY = 19
_AT_ONCE = 20
"""Models that are read before the thread looks whether dbt has ended."""
_COMPILED = re.compile(rb"Began executing node ([\w.]+)")
_MINUTE_US = 60_000_000


class LineageWatch:
    """Reads each model as soon as dbt has compiled it, so that its answer waits in the cache when dbt ends.

    It only saves time: what it misses, and what it read with other columns than the warehouse turns out to have, is
    read again at the end.
    """

    def __init__(self, paths: Paths, log: LogMark, start: Start) -> None:
        self.pool = Pool(1, niceness=_LOWEST_PRIORITY)
        """For the end: the same process, which has its imports done, unless it is stuck."""
        self.cache = Cache(paths.target)
        self._paths, self._log, self._start = paths, log, start
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="batch-audit-lineage")
        self._project: Project | None = None
        self._columns: dict[str, Sequence[str]] = {}

    def start(self) -> None:
        """Begin to follow dbt's log, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following. A model that is being read is waited for, but not for long: it is read again at the end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_SECONDS)
        if self._thread.is_alive():
            late, self.pool = self.pool, Pool(1)
            late.close()

    def _follow(self) -> None:
        offset = self._log.size
        while not self._stop.wait(_POLL_SECONDS):
            try:
                offset, nodes = self._compiled_since(offset)
                for first in range(0, len(nodes), _AT_ONCE):
                    self._read(nodes[first : first + _AT_ONCE])
            except Exception:  # a head start that fails leaves the work for the end, which says what is wrong
                return

    def _compiled_since(self, offset: int) -> tuple[int, list[str]]:
        """The nodes that the log says are compiled; a log that was rotated away is not followed any further."""
        try:
            with Path(self._log.path).open("rb") as file:
                file.seek(offset)
                text = file.read()
        except OSError:
            return offset, []
        whole = text.rfind(b"\n") + 1
        return offset + whole, [name.decode() for name in _COMPILED.findall(text[:whole])]

    def _read(self, nodes: Collection[str]) -> None:
        if not nodes or self._stop.is_set():
            return
        if self._project is None:
            manifest = self._paths.manifest
            if manifest.stat().st_mtime_ns // 1000 < self._start.started_at:
                return
            self._project = read_project(json.loads(manifest.read_bytes()))
            self._columns = dict(self.cache.columns())
        compiled = self._paths.target / "compiled"
        known = self._project.nodes
        wanted = {name for name in nodes if name in known and known[name].kind in ("model", "snapshot")}
        reading = {name: node for name, node in known.items() if name in wanted or node.ephemeral}
        project = replace(
            self._project,
            nodes={**known, **{name: with_file(node, compiled) for name, node in reading.items()}},
        )
        found = read_lineage(
            project, self._columns, self.pool, self.cache, wanted, run_values(self._start, ())
        )
        for lineage in found.values():
            if lineage.columns:
                self._columns.setdefault(known[lineage.unique_id].relation.lower(), lineage.columns)


@dataclass(frozen=True)
class Recorded:
    """What was written: the nodes whose lineage changed, and how many edges and gaps they have."""

    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    edges: int = 0
    unknown: int = 0


def run_values(start: Start, invocations: Collection[str]) -> RunValues:
    """What of this run may stand in compiled code; dbt's own clock starts a moment after the runner's."""
    ids = tuple(name for name in (start.batch_id, *invocations) if name)
    return RunValues(
        ids, start.batch_month, start.started_at - _MINUTE_US, start.started_at + 1440 * _MINUTE_US
    )


def record_lineage(
    warehouse: Warehouse, start: Start, manifest: Mapping[str, Any], built: Mapping[str, str],
    invocations: Collection[str], watch: LineageWatch, now_us: int,
) -> Recorded:  # fmt: skip
    """Write the lineage of the built nodes that is not on record yet, in one transaction.

    `built`: unique_id to compiled code of what this run built. Raises WarehouseError when it cannot be written.
    """
    project = read_project(manifest, code=built)
    recorded = read_recorded(warehouse)
    wanted = {
        node.unique_id
        for node in project.nodes.values()
        if node.unique_id in built
        or node.kind == "exposure"
        or (node.kind in ("source", "seed") and (node.personal or node.unique_id in recorded))
    }
    schemas = sorted({node.name[-2] for node in project.nodes.values() if len(node.name) > 1})
    columns = warehouse.columns_of_schemas(schemas)
    watch.cache.keep_columns(columns)
    found = read_lineage(project, columns, watch.pool, watch.cache, wanted, run_values(start, invocations))
    secrets = secret_values(os.environ)  # env_var may have put them into the code
    codes = _recorded_codes(project, record_keys(manifest), secrets)
    digests = {name: lineage_digest(lineage, codes.get(name)) for name, lineage in found.items()}
    changed = [
        lineage.hidden(lambda text: hide_known(text, secrets))
        for name, lineage in found.items()
        if digests[name] != recorded.get(name, (None, None))[0]
    ]
    removed = sorted(
        name
        for name, (digest, owner) in recorded.items()
        if digest and name not in project.nodes and owner == project.name
    )
    if changed or removed:
        with warehouse.transaction():
            _write(warehouse, start, project, changed, removed, digests, codes, now_us)
    return Recorded(
        tuple(lineage.unique_id for lineage in changed), tuple(removed),
        sum(len(lineage.edges) for lineage in changed), sum(len(lineage.unknown) for lineage in changed),
    )  # fmt: skip


def _recorded_codes(
    project: Project, keys: Mapping[str, RecordKey], secrets: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What is recorded of each node's code; secrets are hidden in it, and it says so."""
    codes = codes_of_project(project, keys)
    for name, code in codes.items():
        shown = None if code.sql is None else hide_known(code.sql, secrets)
        codes[name] = replace(code, sql=shown, hidden=shown != code.sql)
    return {name: as_recorded(code, codes) for name, code in codes.items()}


def lineage_digest(lineage: NodeLineage, code: Mapping[str, Any] | None = None) -> str:
    """SHA-256 of what is recorded of a node; equal digests need no second record.

    Code counts by its hash: what of it belongs to one run does not.
    """
    edges = sorted(json.dumps(astuple(edge)) for edge in lineage.edges)
    place = code and {name: value for name, value in code.items() if name != "sql"}
    content = [lineage.sql_hash, edges, lineage.unknown, lineage.personal, place]
    return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogatepass")).hexdigest()


def read_recorded(warehouse: Warehouse) -> dict[str, tuple[str | None, str | None]]:
    """The newest record of each node's lineage: its digest (None: the node was removed), and the dbt project."""
    rows = warehouse.query(
        "select target, metadata from (select target, metadata, row_number() over (partition by target order by"
        f" occurred_at desc, segment desc) as recency from {warehouse.table(EVENT.name)}"
        f" where part = '{PART}' and event_type = 'lineage' and target is not null) as newest where recency = 1"
    )
    told = {row["target"]: json.loads(row["metadata"]) for row in rows}
    return {name: (item.get("digest"), item.get("project")) for name, item in told.items()}


def record_failure(warehouse: Warehouse, start: Start, reason: str, now_us: int) -> None:
    """Say in the batch that its lineage is not known, and why."""
    segment = _segment(start, now_us)
    event = event_row(
        segment, PART, 1, "lineage", occurred_at=now_us, actor=_clean(warehouse, start.actor),
        metadata={"status": "error"}, error_message=_clean(warehouse, reason),
    )  # fmt: skip
    with warehouse.transaction():
        _store(warehouse, segment, [event], [], now_us)


def _write(
    warehouse: Warehouse, start: Start, project: Project, changed: Sequence[NodeLineage], removed: Sequence[str],
    digests: Mapping[str, str], codes: Mapping[str, Mapping[str, Any]], now_us: int,
) -> None:  # fmt: skip
    segment = _segment(start, now_us)
    told = [
        (lineage.unique_id, _metadata(lineage, project, digests) | {"code": codes.get(lineage.unique_id)})
        for lineage in changed
    ]
    gone = {"status": "removed", "project": project.name, "digest": None}
    told += [(name, gone) for name in removed]
    events = [
        event_row(
            segment, PART, seq, "lineage", occurred_at=now_us, actor=_clean(warehouse, start.actor),
            target=warehouse.storable(name), metadata=_storable(warehouse, metadata),
        )
        for seq, (name, metadata) in enumerate(told, 1)
    ]  # fmt: skip
    edges = [row for lineage in changed for row in _edge_rows(warehouse, segment, lineage)]
    _store(warehouse, segment, events, edges, now_us)


def _store(
    warehouse: Warehouse, segment: Segment, events: Sequence[Row], edges: Sequence[Row], now_us: int
) -> None:
    warehouse.insert(SEGMENT.name, SEGMENT.columns, [segment.row()])
    warehouse.insert(EVENT.name, EVENT.columns, events)
    if edges:
        warehouse.insert(COLUMN_EDGE.name, COLUMN_EDGE.columns, edges)
    seal_segments(warehouse, [segment.segment], now_us=now_us)


def _segment(start: Start, now_us: int) -> Segment:
    return Segment.open(
        "runner", batch_id=start.batch_id, batch_month=start.batch_month, invocation_id=None, now_us=now_us
    )


def _metadata(lineage: NodeLineage, project: Project, digests: Mapping[str, str]) -> dict[str, Any]:
    return {
        "status": "known" if not lineage.unknown else "incomplete", "project": project.name,
        "sql_hash": lineage.sql_hash, "digest": digests[lineage.unique_id], "edges": len(lineage.edges),
        "columns": list(lineage.columns), "columns_from": lineage.columns_from, "personal": list(lineage.personal),
        "unknown": [
            {"column": column, "reason": reason, "sql": sql[:500]}
            for column, reason, sql in lineage.unknown
        ],
    }  # fmt: skip


def _edge_rows(warehouse: Warehouse, segment: Segment, lineage: NodeLineage) -> list[Row]:
    rows: list[Row] = []
    for seq, edge in enumerate(lineage.edges, 1):
        values: dict[str, str | int | None] = {
            "segment": segment.segment, "part": lineage.unique_id, "seq": seq, "batch_id": segment.batch_id,
            "batch_month": segment.batch_month, "target": edge.target, "target_column": edge.target_column,
            "source": edge.source, "source_column": edge.source_column, "kind": edge.kind, "subtype": edge.subtype,
            "masking": "true" if edge.masking else "false", "expression": edge.expression,
            "reason": edge.note,
        }  # fmt: skip
        row = [values[column] for column in COLUMN_EDGE.columns]
        rows.append(tuple(warehouse.storable(str(item)) if isinstance(item, str) else item for item in row))
    return rows


def _clean(warehouse: Warehouse, text: str | None) -> str | None:
    return None if text is None else warehouse.storable(text)


def _storable(warehouse: Warehouse, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata with every text storable: cleaned as JSON, in which a text cannot be mistaken for anything else."""
    text = json.dumps(metadata, ensure_ascii=False)
    cleaned: dict[str, Any] = json.loads(warehouse.storable(text.replace("\\u0000", "\ufffd")))
    return cleaned


def add_lineage(
    warehouse: Warehouse, start: Start, manifest: Path, built: Mapping[str, str], invocations: Collection[str],
    watch: LineageWatch, now_us: int,
) -> tuple[str | None, bool]:  # fmt: skip
    """Record the lineage of what was built: what went wrong (None: nothing), and whether the batch itself says so."""
    try:
        content = json.loads(manifest.read_bytes())
        problem = _not_of_this_run(content, manifest, built, invocations)
        if problem is None or content["metadata"]["invocation_id"] in invocations:
            record_lineage(warehouse, start, content, built, invocations, watch, now_us)
            record_edges(warehouse, start, content, built, now_us)
    except Exception as error:  # lineage must never cost the batch anything
        problem = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if problem is None:
        return None, True
    try:
        record_failure(warehouse, start, problem, now_us)
    except BatchAuditError:
        return problem, False
    return problem, True


def _not_of_this_run(
    content: Mapping[str, Any], manifest: Path, built: Collection[str], invocations: Collection[str]
) -> str | None:
    """Why the manifest does not describe all that was built: dbt keeps one, and each call replaces it."""
    if content["metadata"]["invocation_id"] not in invocations:
        return (
            f"{manifest} was written by a dbt call that is not of this batch; give each its own --target-path"
        )
    known = {**content.get("nodes", {}), **content.get("unit_tests", {})}
    lost = sorted(name for name in built if name not in known)
    if not lost:
        return None
    return (
        f"{manifest} does not know {len(lost)} of the nodes that were built ({', '.join(lost[:3])}"
        f"{', …' if len(lost) > 3 else ''}): run each project in a batch of its own"
    )
