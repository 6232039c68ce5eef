"""How an invocation ended, in the words of a batch_end: a status, and why where it needs a reason."""

from __future__ import annotations

from dataclasses import dataclass

from batch_audit.runner.facts import Invocation, Outcome

_BAD = ("error", "fail", "partial success", "runtime error")
_STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


@dataclass(frozen=True)
class Ending:
    """`status` is one of success, error, interrupted, incomplete, nothing_selected."""

    status: str
    reason: str | None = None
    error_message: str | None = None


def ending_of(invocation: Invocation, outcome: Outcome, opened: bool) -> Ending:
    """How an invocation ended that left no batch_end; `opened` tells whether its hooks wrote a batch_start."""
    error = invocation.error or invocation.hook_error
    if invocation.interrupted:
        return Ending(
            "interrupted", f"dbt was interrupted{_progress(invocation)}; on-run-end did not run", error
        )
    if invocation.nothing_selected:
        return Ending("nothing_selected", "the selection matched no node, so dbt ran no hook")
    if not invocation.ended:
        return _without_an_end(invocation, outcome, opened)
    if not opened:
        return _without_hooks(invocation, error)
    if error:
        return Ending("incomplete", f"dbt's on-run-end did not write the end of the run: {error}", error)
    return Ending("incomplete", "dbt ended and its on-run-end wrote nothing")


def ending_without_dbt(outcome: Outcome, after_dbt: bool) -> Ending:
    """How a command ended that no dbt invocation speaks for; `after_dbt`: all of its invocations were fine."""
    if outcome.signal in _STOP_SIGNALS:
        return Ending("interrupted", f"the command was ended by {outcome.signal}")
    said = "; ".join(outcome.notes)
    if outcome.status is None:
        return Ending(
            "incomplete", "the runner ended without a word, and no dbt run of its command is in the store"
        )
    if outcome.status != 0:
        what = "after dbt had succeeded" if after_dbt else "and no dbt run or test of it was seen"
        reason = f"the command exited with {outcome.status} {what}" + (f": {said}" if said else "")
        errors = [item.error for item in outcome.invocations if item.error]
        return Ending("error", reason, errors[-1] if errors else None)
    if outcome.invocations:
        ran = ", ".join(sorted({item.command or "an unknown command" for item in outcome.invocations}))
        return Ending("nothing_selected", f"dbt was asked for {ran} alone, which changes and tests no data")
    return Ending("incomplete", "no dbt run was seen" + (f": {said}" if said else ""))


def _without_an_end(invocation: Invocation, outcome: Outcome, opened: bool) -> Ending:
    progress = _progress(invocation)
    if outcome.signal in _STOP_SIGNALS:
        return Ending("interrupted", f"dbt was ended by {outcome.signal}{progress}")
    if invocation.error and outcome.status != 0:
        return Ending("error", "dbt stopped before it ran any node" if not opened else None, invocation.error)
    return Ending("incomplete", f"dbt {_how_it_went(outcome)}{progress}", invocation.error)


def _how_it_went(outcome: Outcome) -> str:
    if outcome.status is None:
        return "and the runner ended without a word"
    if outcome.signal:
        return f"was killed by {outcome.signal}"
    return f"left no word of its end; the command's status was {outcome.status}"


def _without_hooks(invocation: Invocation, error: str | None) -> Ending:
    """dbt ended, and its hooks did not even write a start."""
    if invocation.succeeded is False and not invocation.nodes:
        return Ending("error", "dbt stopped before it ran any node", error)
    failed = any(node.status in _BAD for node in invocation.nodes)
    why = "the package batch_audit is not installed in the project, or switched off (batch_audit_enabled)"
    state = "some nodes failed" if failed else "the nodes ran"
    return Ending("incomplete", f"{state}, and dbt's hooks wrote nothing: {error or why}", error)


def _progress(invocation: Invocation) -> str:
    finished = sum(node.status != "unknown" for node in invocation.nodes)
    if invocation.selected is None:
        return ""
    return f" after {finished} of {invocation.selected} nodes had finished"
