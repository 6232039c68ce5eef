"""Writes down as events what the hooks would have written, in the same shape (docs/reference/store.md)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from batch_audit.ledger.rows import Row, Segment, event_row
from batch_audit.runner.ending import Ending
from batch_audit.runner.facts import Invocation, Node, Start

_NODE_COUNTERS = {"success": "ok", "error": "errors", "partial success": "errors", "skipped": "skipped"}
_TEST_COUNTERS = {
    "pass": "tests_passed", "fail": "tests_failed", "warn": "tests_warned", "error": "tests_errored",
    "skipped": "tests_skipped",
}  # fmt: skip
# Statuses of a test that proves nothing: it was not evaluated, or nobody saw its result.
_NOT_EVALUATED = ("skipped", "unknown")
_NO_ROWS = "dbt's on-run-end, which reads the failing rows, did not write"


@dataclass(frozen=True)
class Counts:
    """Record changes that one node's captures wrote."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0


@dataclass
class _Writer:
    """Numbers the events of each part and cleans their texts."""

    segment: Segment
    actor: str | None
    clean: Callable[[str], str]
    rows: list[Row]

    def write(
        self, part: str, event_type: str, occurred_at: int, metadata: Mapping[str, Any], **columns: str | None
    ) -> None:
        """Append one event."""
        seq = sum(row[1] == part for row in self.rows) + 1 if part == "run" else self._next_end()
        texts = {name: None if text is None else self.clean(text) for name, text in columns.items()}
        actor = None if self.actor is None else self.clean(self.actor)
        self.rows.append(
            event_row(
                self.segment, part, seq, event_type, occurred_at=occurred_at, actor=actor,
                metadata=_cleaned(metadata, self.clean), **texts,
            )
        )  # fmt: skip

    def _next_end(self) -> int:
        return len(self.rows) + 1 - (1 if self.rows and self.rows[0][1] == "run" else 0)


def fill_events(
    segment: Segment,
    start: Start,
    invocation: Invocation,
    ending: Ending,
    opened: bool,
    recorded: Collection[str],
    captured: Mapping[str, Counts],
    clean: Callable[[str], str],
) -> tuple[Row, ...]:
    """The events that an invocation lacks, in the order in which they are stored.

    `opened`: it has a batch_start. `recorded`: the nodes and tests that have a checkpoint or a validation.
    `captured`: what its captures wrote, by node.
    """
    writer = _Writer(segment, start.actor, clean, [])
    if not opened:
        writer.write(
            "run",
            "batch_start",
            invocation.started_at or start.started_at,
            _start_metadata(start, invocation, ending),
        )
    ended_at = invocation.ended_at or segment.opened_at
    for node in invocation.nodes:
        if node.unique_id not in recorded:
            _write_node(writer, node, ended_at)
    for node in invocation.nodes:
        if node.asks_capture and node.status == "success" and node.unique_id not in captured:
            reason = "the model was built and no capture ran; dbt's on-run-end could not say why"
            metadata = {"reason": reason, "materialized": node.materialized}
            writer.write("end", "not_captured", ended_at, metadata, target=node.unique_id)
    writer.write(
        "end",
        "batch_end",
        ended_at,
        _totals(invocation, ending, captured),
        error_message=ending.error_message,
    )
    return tuple(writer.rows)


def _write_node(writer: _Writer, node: Node, ended_at: int) -> None:
    evaluated = node.is_test and node.status not in _NOT_EVALUATED
    metadata = _node_metadata(node, "test" if evaluated else "node")
    occurred_at = node.completed_at or ended_at
    if not evaluated:
        failed = node.status in ("error", "partial success", "unknown")
        writer.write(
            "end",
            "checkpoint",
            occurred_at,
            metadata,
            target=node.unique_id,
            error_message=node.message if failed else None,
        )
        return
    passed = node.status == "pass"
    writer.write(
        "end", "validation_pass" if passed else "validation_fail", occurred_at, metadata,
        source=node.unique_id, target=node.tested, error_message=None if passed else node.message,
    )  # fmt: skip


def _node_metadata(node: Node, kind: str) -> dict[str, Any]:
    shared = {
        "kind": kind, "resource_type": node.resource_type, "name": node.name, "status": node.status,
        "started_at": node.started_at, "completed_at": node.completed_at, "execution_us": node.execution_us,
        "thread_id": node.thread_id, "message": node.message, "raw_checksum": node.raw_checksum,
        "compiled_checksum": node.compiled_checksum, "known_from": node.known_from,
    }  # fmt: skip
    if node.is_test:
        return shared | {
            "failures": node.failures, "severity": node.severity, "column_name": node.column_name,
            "rows_recorded": 0, "rows_capped": False, "rows_reason": _NO_ROWS if node.has_failing_rows else None,
        }  # fmt: skip
    return shared | {
        "materialized": node.materialized, "relation": node.relation, "rows_affected": node.rows_affected,
    }  # fmt: skip


def _start_metadata(start: Start, invocation: Invocation, ending: Ending) -> dict[str, Any]:
    """What is known of the run without its hooks; what only the warehouse's session could tell is null."""
    adapter_type, _, adapter_version = (invocation.adapter or "").partition("=")
    unknown = (
        "selection", "full_refresh", "target_name", "target_schema", "session_user", "database", "application_name",
        "warehouse_clock", "warehouse_version", "vars",
    )  # fmt: skip
    known = {
        "command": start.command, "dbt_command": invocation.command, "project": start.project, "job": start.job,
        "actor_source": start.actor_source, "git_commit": start.git_commit, "git_branch": start.git_branch,
        "git_dirty": start.git_dirty, "ci_provider": start.ci_provider, "run_url": start.run_url, "host": start.host,
        "dbt_version": invocation.dbt_version, "adapter_type": adapter_type or None,
        "adapter_version": adapter_version or None, "package_version": start.package_version,
        "started_at": invocation.started_at or start.started_at, "known_from": "runner", "reason": ending.reason,
    }  # fmt: skip
    return dict.fromkeys(unknown) | known


def _totals(invocation: Invocation, ending: Ending, captured: Mapping[str, Counts]) -> dict[str, Any]:
    names = ("nodes", "ok", "errors", "skipped", *_TEST_COUNTERS.values())
    totals: dict[str, Any] = {"status": ending.status, "reason": ending.reason, **dict.fromkeys(names, 0)}
    for node in invocation.nodes:
        totals["nodes"] += not node.is_test
        counter = (_TEST_COUNTERS if node.is_test else _NODE_COUNTERS).get(node.status)
        if counter:
            totals[counter] += 1
    for kind in ("inserts", "updates", "deletes"):
        totals[kind] = sum(getattr(counts, kind) for counts in captured.values())
    unknown_rows = any(node.has_failing_rows for node in invocation.nodes)
    return totals | {"record_errors": None if unknown_rows else 0, "nodes_selected": invocation.selected}


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(item, clean) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(item, clean) for item in value]
    return value
