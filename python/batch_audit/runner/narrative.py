"""Reads one invocation's log events: what dbt was asked, which nodes it finished, how it ended."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from batch_audit.runner.facts import Invocation, Node
from batch_audit.runner.log import LogEvent, LogSlice, parse_time

_COMMANDS = (
    "build", "run", "test", "seed", "snapshot", "retry", "compile", "clone", "list", "ls", "parse", "show", "docs",
    "source", "deps", "clean", "debug", "init", "run-operation",
)  # fmt: skip
# dbt's options that may stand before the subcommand and take a value.
_WITH_VALUE = (
    "--profiles-dir", "--project-dir", "--profile", "--target", "-t", "--vars", "--target-path", "--log-path",
    "--log-level", "--log-level-file", "--log-format", "--log-format-file", "--log-file-max-bytes", "--state",
    "--defer-state", "--printer-width", "--record-timing-info", "-r", "--warn-error-options",
)  # fmt: skip
_RESULT = re.compile(
    r"^(\d+) of (\d+) (START|OK|ERROR|PASS|FAIL|WARN|SKIP|NO-OP|PARTIAL SUCCESS)(?: (\d+))?\b"
)
_STATUS = {
    "OK": "success", "ERROR": "error", "PASS": "pass", "FAIL": "fail", "WARN": "warn", "SKIP": "skipped",
    "NO-OP": "no-op", "PARTIAL SUCCESS": "partial success",
}  # fmt: skip
_ERROR_IN = re.compile(r"^(?:Runtime|Database|Compilation|Parsing|Failure|Contract|\w+) (?:Error )?in \w+ ")
_NODE_MARK = re.compile(r"^(Began running|Finished running) node (\S+)$")
_HOOK_FAILED = re.compile(
    r"on-run-(?:start|end) failed, error:|(?:Database|Compilation|Runtime) Error in operation "
)
_ARGUMENTS = "running dbt with arguments "
_ENCOUNTERED = "Encountered an error:"


@dataclass
class _Running:
    """A node between its two marks."""

    unique_id: str
    started_at: int
    status: str | None = None
    failures: int | None = None
    message: str | None = None


@dataclass
class _Reader:
    """The state of reading: the invocation's own facts, and what each of dbt's threads works at."""

    fields: dict[str, Any] = field(default_factory=dict)
    running: dict[str, _Running] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def read(self, event: LogEvent) -> None:
        """Take one event in."""
        self.fields["ended_at"] = event.at
        self.fields.setdefault("started_at", event.at)
        if event.thread is not None and _NODE_MARK.match(event.message):
            self._mark(event)
        elif event.thread in self.running:
            self._about_node(self.running[event.thread], event)
        self._about_run(event)

    def _mark(self, event: LogEvent) -> None:
        found = _NODE_MARK.match(event.message)
        thread = event.thread or ""
        if found is None:
            return
        if found[1] == "Began running":
            self.running[thread] = _Running(found[2], event.at)
            return
        node = self.running.pop(thread, _Running(found[2], event.at))
        self.nodes.append(_finished(node, event))

    def _about_node(self, node: _Running, event: LogEvent) -> None:
        result = _RESULT.match(event.message)
        if result is not None and result[3] != "START":
            node.status = _STATUS[result[3]]
            node.failures = int(result[4]) if result[4] else None
            self.fields["selected"] = int(result[2])
        elif result is not None:
            self.fields["selected"] = int(result[2])
        elif _ERROR_IN.match(event.message):
            node.message = event.message

    def _about_run(self, event: LogEvent) -> None:
        message = event.message
        if message.startswith(_ARGUMENTS):
            self._arguments(event)
        elif message.startswith("Running with dbt="):
            self.fields["dbt_version"] = message.removeprefix("Running with dbt=").strip()
        elif message.startswith("Registered adapter: "):
            self.fields["adapter"] = message.removeprefix("Registered adapter: ").strip()
        elif message.startswith("Nothing to do."):
            self.fields["nothing_selected"] = True
        elif message.startswith("Exited because of keyboard interrupt") or message.endswith(
            "\nKeyboardInterrupt"
        ):
            self.fields["interrupted"] = True
        elif message.startswith(_ENCOUNTERED):
            self.fields["error"] = message.removeprefix(_ENCOUNTERED).strip() or self.fields.get("error")
        elif _HOOK_FAILED.search(message):
            self.fields.setdefault("hook_error", message.strip())
        elif message.startswith("Command `"):
            self._completed(event)

    def _arguments(self, event: LogEvent) -> None:
        try:
            arguments = event.data.get("args") or ast.literal_eval(event.message.removeprefix(_ARGUMENTS))
            self.fields["command"] = subcommand(shlex.split(arguments["invocation_command"]))
        except (ValueError, SyntaxError, KeyError, TypeError, AttributeError):
            return

    def _completed(self, event: LogEvent) -> None:
        found = re.match(r"Command `(.+)` (succeeded|failed) at ", event.message)
        if found is not None:
            self.fields.update(ended=True, succeeded=found[2] == "succeeded")
            self.fields.setdefault("command", subcommand(found[1].split()))


def narrate(part: LogSlice) -> Invocation:
    """The facts of one invocation. A node that began and did not finish has the status `unknown`.

    Nodes are left out when several processes wrote the log, because their lines cannot be told apart.
    """
    reader = _Reader()
    for event in part.events:
        reader.read(event)
    unfinished = (_unfinished(node, thread) for thread, node in reader.running.items())
    nodes = () if part.shared else (*reader.nodes, *unfinished)
    return Invocation(invocation_id=part.invocation_id, **reader.fields, nodes=nodes)


def subcommand(words: Iterable[str]) -> str | None:
    """dbt's subcommand in a command line; None if there is none that is known.

    The values of options before it are not taken for it: `dbt --target docs build`.
    """
    rest = iter(words)
    for word in rest:
        if word in _COMMANDS:
            return word
        if word in _WITH_VALUE:
            next(rest, None)
    return None


def _finished(node: _Running, event: LogEvent) -> Node:
    result = event.data.get("run_result") or {}
    timing = {step.get("name"): step for step in result.get("timing_info") or []}
    begun = parse_time((timing.get("compile") or timing.get("execute") or {}).get("started_at"))
    done = parse_time((timing.get("execute") or timing.get("compile") or {}).get("completed_at"))
    seconds = result.get("execution_time")
    return _node(
        node.unique_id,
        result.get("status") or node.status or "unknown",
        started_at=begun or node.started_at,
        completed_at=done or event.at,
        execution_us=event.at - node.started_at if seconds is None else round(seconds * 1_000_000),
        thread_id=result.get("thread") or event.thread,
        message=result.get("message") or node.message,
        failures=result.get("num_failures") if result and _kind(node.unique_id) == "test" else node.failures,
    )


def _unfinished(node: _Running, thread: str) -> Node:
    message = node.message or "dbt began this node and its log does not tell how it ended"
    return _node(
        node.unique_id,
        node.status or "unknown",
        started_at=node.started_at,
        thread_id=thread,
        message=message,
    )


def _node(unique_id: str, status: str, **known: Any) -> Node:
    parts = unique_id.split(".")
    return Node(
        unique_id, status, "log", _kind(unique_id), parts[2] if len(parts) > 2 else unique_id, **known
    )


def _kind(unique_id: str) -> str:
    """The resource type at the front of a node's unique_id."""
    return unique_id.split(".", 1)[0]
