"""Turns a report into what the page shows: which rows, in which words. No markup and no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_audit.reports.earlier import Earlier, EarlierVersions
from batch_audit.reports.read import BatchReport
from batch_audit.reports.reader import Row
from batch_audit.reports.records import RecordChange, record_change
from batch_audit.reports.text import counted
from batch_audit.reports.timeline import Bar, Span, lanes, span_of

NODES_SHOWN = 300
LANES_FROM = 40

_OUTCOMES = {"success": "ok", "pass": "ok", "no-op": "ok", "reused": "ok"}
_COUNTS = ("records_inserted", "records_updated", "records_deleted")
_KEPT = {"fail", "warn", "skipped"}
_STATUS_WORDS = {
    "running": "Still running",
    "success": "Succeeded",
    "error": "Finished with errors",
    "interrupted": "Interrupted",
    "incomplete": "Incomplete",
    "nothing_selected": "Nothing was selected",
}


@dataclass(frozen=True)
class Node:
    """A node that ran: its row, how it went, its bar and those of its tests."""

    row: Row
    outcome: str
    bar: Bar | None
    tests: Sequence[Bar]


@dataclass(frozen=True)
class TestResult:
    """A test that ran: its row, how it went, and the failing rows that are shown."""

    row: Row
    outcome: str
    errors: Sequence[Row]


@dataclass(frozen=True)
class Captured:
    """A captured relation: its row, what it read, its changes with what came before each, how many are not shown."""

    row: Row
    inputs: Sequence[Row]
    changes: Sequence[tuple[RecordChange, Earlier | None]]
    total: int
    left_out: int


@dataclass(frozen=True)
class Page:
    """What the template needs beside the report's own rows."""

    headline: str
    sentence: str
    findings: Sequence[tuple[str, str, str]]
    nodes: Sequence[Node]
    nodes_left_out: int
    lanes: Sequence[Sequence[Bar]]
    span: Span
    tests: Sequence[TestResult]
    captured: Sequence[Captured]
    uncaptured: Sequence[Row]
    not_evaluated: Sequence[str]


def build_page(report: BatchReport) -> Page:
    """The page for a report; the same report gives the same page."""
    span = span_of(report.batch["started_at"], [*report.nodes, *report.tests])
    nodes = _nodes(report, span)
    shown = _shown_nodes(nodes)
    uncaptured = [
        node.row
        for node in nodes
        if node.outcome == "ok"
        and node.row["capture_mode"] is None
        and node.row["not_captured_reason"] is None
    ]
    return Page(
        headline=_STATUS_WORDS.get(str(report.batch["status"]), str(report.batch["status"])),
        sentence=_sentence(report.batch),
        findings=_findings(report),
        nodes=shown,
        nodes_left_out=len(nodes) - len(shown),
        lanes=lanes([dict(node.row, outcome=node.outcome) for node in nodes], span)
        if len(nodes) > LANES_FROM
        else [],
        span=span,
        tests=_tests(report),
        captured=_captured(report),
        uncaptured=uncaptured,
        not_evaluated=_not_evaluated(report, uncaptured),
    )


def outcome(status: object) -> str:
    """dbt's status as ok, fail, warn, skipped or error (the package's macro `outcome` says the same in SQL)."""
    text = str(status)
    return _OUTCOMES.get(text) or (text if text in _KEPT else "error")


def _nodes(report: BatchReport, span: Span) -> list[Node]:
    tests: dict[Any, list[Bar]] = {}
    for row in report.tests:
        bar = span.bar(row, outcome(row["status"]), str(row["test_name"]))
        if bar is not None:
            tests.setdefault((row["invocation_id"], row["node_id"]), []).append(bar)
    nodes = []
    for row in report.nodes:
        result = outcome(row["status"])
        bar = None if result == "skipped" else span.bar(row, result, str(row["node_name"]))
        nodes.append(Node(row, result, bar, tests.get((row["invocation_id"], row["node_id"]), [])))
    return nodes


def _shown_nodes(nodes: Sequence[Node]) -> list[Node]:
    """All nodes in their order, or, when there are too many, those that went wrong and then the slowest."""
    if len(nodes) <= NODES_SHOWN:
        return list(nodes)
    weight = sorted(
        range(len(nodes)), key=lambda at: (nodes[at].outcome == "ok", -(nodes[at].row["duration_s"] or 0), at)
    )
    return [nodes[at] for at in sorted(weight[:NODES_SHOWN])]


def _tests(report: BatchReport) -> list[TestResult]:
    errors: dict[Any, list[Row]] = {}
    for row in report.record_errors:
        errors.setdefault((row["invocation_id"], row["test_id"]), []).append(row)
    results = [
        TestResult(row, outcome(row["status"]), errors.get((row["invocation_id"], row["test_id"]), []))
        for row in report.tests
    ]
    order = {"error": 0, "fail": 1, "warn": 2, "skipped": 3, "ok": 4}
    return sorted(results, key=lambda result: order[result.outcome])


def _captured(report: BatchReport) -> list[Captured]:
    changes: dict[Any, list[Row]] = {}
    for row in report.changes:
        changes.setdefault((row["invocation_id"], row["node_id"]), []).append(row)
    inputs: dict[Any, list[Row]] = {}
    for row in report.inputs:
        inputs.setdefault((row["invocation_id"], row["part"]), []).append(row)
    before = EarlierVersions(report.earlier)
    captured = []
    for capture in report.captures:
        ignored = set((capture["ignored_columns"] or "").split(", "))
        shown = [
            (record_change(row, ignored), before.of(row, ignored))
            for row in changes.get((capture["invocation_id"], capture["node_id"]), [])
        ]
        names = (
            ()
            if capture["capture_mode"] == "baseline"
            else ("records_inserted", "records_updated", "records_deleted")
        )
        total = sum(int(capture[name] or 0) for name in names)
        read = inputs.get((capture["invocation_id"], capture["part"]), [])
        captured.append(Captured(capture, read, shown, total, max(0, total - len(shown))))
    return captured


def _sentence(batch: Row) -> str:
    """The batch in one sentence."""
    nodes = batch["nodes_ok"] + batch["nodes_error"] + batch["nodes_skipped"]
    tests = batch["tests_passed"] + batch["tests_failed"] + batch["tests_warned"] + batch["tests_errored"]
    parts = []
    if nodes:
        parts.append(f"{batch['nodes_ok']:,} of {counted(nodes, 'node')} succeeded")
    if tests:
        parts.append(f"{batch['tests_passed']:,} of {counted(tests, 'test')} passed")
    parts.append(_changes_phrase(batch) if batch["captures"] else "no relation was captured")
    sentence = "; ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]


def _changes_phrase(batch: Row) -> str:
    baseline = int(batch["records_baseline"])
    changed = {
        "inserted": int(batch["records_inserted"]) - baseline,
        "updated": int(batch["records_updated"]),
        "deleted": int(batch["records_deleted"]),
    }
    said = [f"{number:,} {what}" for what, number in changed.items() if number]
    if said:
        noun = "record" if sum(changed.values()) == 1 else "records"
        said[0] = said[0].replace(" ", f" {noun} ", 1)
    phrase = ", ".join(said) if said else "no captured record changed"
    return phrase + (f"; {counted(baseline, 'record')} stored as a baseline" if baseline else "")


def _findings(report: BatchReport) -> list[tuple[str, str, str]]:
    """What a reader should look at first: (severity, anchor, text)."""
    batch = report.batch
    found = [
        ("error", "nodes", batch["nodes_error"], "{} failed", "node"),
        ("warn", "nodes", batch["nodes_skipped"], "{} skipped", "node"),
        ("error", "tests", batch["tests_failed"], "{} failed", "test"),
        ("error", "tests", batch["tests_errored"], "{} could not run", "test"),
        ("warn", "tests", batch["tests_warned"], "{} failed with severity warn", "test"),
        ("warn", "tests", batch["tests_skipped"], "{} skipped", "test"),
        ("error", "records", batch["not_captured"], "{} asked for capture and not captured", "node"),
        ("warn", "ledger", batch["segments_unsealed"], "{} not sealed yet", "segment"),
    ]
    findings = [
        (severity, anchor, text.format(counted(number, noun)))
        for severity, anchor, number, text, noun in found
        if number
    ]
    if batch["git_dirty"]:
        findings.append(("warn", "code", "The code had changes that were not committed"))
    if batch["actor"] is None:
        findings.append(("warn", "who", "Nobody said who ran it"))
    return findings


def _not_evaluated(report: BatchReport, uncaptured: Sequence[Row]) -> list[str]:
    """What the page does not show, so that nobody takes silence for a result."""
    batch: Mapping[str, Any] = report.batch
    said = [
        "Whether the ledger is intact. This page reads the store and does not recompute its hashes;"
        " batch-audit verify does.",
        "Whether the change was requested and approved, and whether the actor is who the"
        " name says: it is taken from the environment, and only the warehouse user is known to the warehouse.",
    ]
    if uncaptured:
        said.append(
            f"Record changes in {counted(len(uncaptured), 'node')} for which no capture was asked or possible."
        )
    first = [row for row in report.captures if row["capture_mode"] == "first_build"]
    if first:
        said.append(
            f"Single records of {counted(len(first), 'relation')} captured for the first time:"
            " a count and a fingerprint were stored."
        )
    if batch["tests_skipped"]:
        said.append(f"What {counted(batch['tests_skipped'], 'skipped test')} would have found.")
    if batch["status"] in ("running", "interrupted", "incomplete"):
        said.append(
            "What happened after the last event that the store has: the batch did not end as planned."
        )
    return said
