"""Reads dbt's artifacts, of which every field is optional, and keeps those that a later dbt call would overwrite."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from batch_audit.runner.environment import BATCH_ID, PREFIX
from batch_audit.runner.facts import Invocation, Node
from batch_audit.runner.log import parse_time

_POLL_SECONDS = 0.5
_NOT_ASKED = (None, False, "none", "off")


@dataclass(frozen=True)
class RunResults:
    """A run_results.json: whose it is, and its results as dbt wrote them."""

    invocation_id: str
    batch_id: str | None
    command: str | None
    dbt_version: str | None
    started_at: int | None
    results: tuple[Mapping[str, Any], ...]


def read_run_results(content: bytes) -> RunResults | None:
    """The artifact, or None if it is cut short or names no invocation."""
    artifact = _json_object(content)
    metadata = _object(artifact.get("metadata"))
    invocation_id = metadata.get("invocation_id")
    if not invocation_id:
        return None
    return RunResults(
        str(invocation_id),
        _object(metadata.get("env")).get(BATCH_ID.removeprefix(PREFIX)),
        _object(artifact.get("args")).get("which"),
        metadata.get("dbt_version"),
        parse_time(metadata.get("invocation_started_at")),
        tuple(_object(result) for result in artifact.get("results") or ()),
    )


class ResultsWatch:
    """Follows one run_results.json while the command runs: a script's next dbt call overwrites it."""

    def __init__(self, path: Path):
        self._path = path
        self._seen = _version(path)
        self._kept: dict[str, RunResults] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="batch-audit-artifacts")

    def start(self) -> None:
        """Begin to follow, in a thread of its own."""
        self._thread.start()

    def finish(self) -> dict[str, RunResults]:
        """Stop, read the file a last time, and return what was seen, by invocation."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._look()
        return self._kept

    def _follow(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        version = _version(self._path)
        if version is None or version == self._seen:
            return
        try:
            found = read_run_results(self._path.read_bytes())
        except OSError:
            return
        # A file that dbt is still writing does not parse; it will have changed again at the next look.
        if found is not None:
            self._seen = version
            self._kept[found.invocation_id] = found


def read_manifest(path: Path, invocation_id: str) -> Mapping[str, Any]:
    """The nodes and tests of the manifest by unique_id, if that invocation wrote it; else nothing."""
    try:
        artifact = _json_object(path.read_bytes())
    except OSError:
        return {}
    if _object(artifact.get("metadata")).get("invocation_id") != invocation_id:
        return {}
    return {**_object(artifact.get("nodes")), **_object(artifact.get("unit_tests"))}


def with_results(invocation: Invocation, found: RunResults) -> Invocation:
    """An invocation with what its run_results.json says: more of each node than the log, which knows more nodes."""
    results = [result for result in found.results if result.get("unique_id")]
    nodes = [_node(result) for result in results if not _is_hook(result)]
    known = {node.unique_id for node in nodes}
    failed_hook = next(
        (r.get("message") for r in results if _is_hook(r) and r.get("status") == "error"), None
    )
    return replace(
        invocation,
        command=invocation.command or found.command,
        dbt_version=invocation.dbt_version or found.dbt_version,
        started_at=invocation.started_at or found.started_at,
        hook_error=invocation.hook_error or failed_hook,
        nodes=(*nodes, *(node for node in invocation.nodes if node.unique_id not in known)),
    )


def with_manifest(invocation: Invocation, manifest: Mapping[str, Any]) -> Invocation:
    """An invocation whose nodes say what the manifest knows of them."""
    described = (
        _described(node, _object(manifest.get(node.unique_id))) if node.unique_id in manifest else node
        for node in invocation.nodes
    )
    return replace(invocation, nodes=tuple(described))


def text_checksum(text: object) -> str | None:
    """SHA-256 of a node's code as the hooks compute it: without U+0000, None for no code."""
    code = str(text or "").replace("\x00", "")
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest() if code else None


def _node(result: Mapping[str, Any]) -> Node:
    unique_id = str(result["unique_id"])
    timing = {step.get("name"): step for step in map(_object, result.get("timing") or ())}
    first = timing.get("compile") or timing.get("execute") or {}
    last = timing.get("execute") or timing.get("compile") or {}
    parts = unique_id.split(".")
    message = result.get("message")
    return Node(
        unique_id,
        str(result.get("status") or "unknown"),
        "run_results",
        parts[0],
        parts[2] if len(parts) > 2 else unique_id,
        started_at=parse_time(first.get("started_at")),
        completed_at=parse_time(last.get("completed_at")),
        execution_us=round(float(result.get("execution_time") or 0) * 1_000_000),
        thread_id=result.get("thread_id"),
        message=None if message is None else str(message).replace("\x00", ""),
        rows_affected=_object(result.get("adapter_response")).get("rows_affected"),
        failures=result.get("failures"),
        relation=result.get("relation_name"),
        compiled_checksum=text_checksum(result.get("compiled_code")),
    )


def _described(node: Node, described: Mapping[str, Any]) -> Node:
    config = _object(described.get("config"))
    meta = _object(config.get("meta"))
    return replace(
        node,
        resource_type=described.get("resource_type") or node.resource_type,
        name=described.get("name") or node.name,
        relation=node.relation or described.get("relation_name"),
        materialized=config.get("materialized"),
        raw_checksum=text_checksum(described.get("raw_code")),
        compiled_checksum=node.compiled_checksum or text_checksum(described.get("compiled_code")),
        tested=_tested_node(described),
        column_name=described.get("column_name"),
        severity=str(config["severity"]).lower() if config.get("severity") else None,
        asks_capture=meta.get("audit_capture") not in _NOT_ASKED,
    )


def _tested_node(described: Mapping[str, Any]) -> str | None:
    """The node that a test is about, by the rule of the macro `tested_node`."""
    inputs = _object(described.get("depends_on")).get("nodes") or []
    named = described.get("attached_node") or described.get("tested_node_unique_id")
    return str(named) if named else (str(inputs[0]) if inputs else None)


def _is_hook(result: Mapping[str, Any]) -> bool:
    return str(result.get("unique_id")).startswith("operation.")


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _json_object(content: bytes) -> Mapping[str, Any]:
    try:
        return _object(json.loads(content))
    except ValueError:
        return {}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
