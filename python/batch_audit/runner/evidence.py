"""Collects what dbt left behind about a run: its log, its artifacts, and which of them belong to the batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from batch_audit.runner.artifacts import RunResults, read_manifest, with_manifest, with_results
from batch_audit.runner.facts import BUILDING_COMMANDS, Invocation
from batch_audit.runner.log import LogSlice, invocation_ids, read_log
from batch_audit.runner.log_files import LogMark, read_since
from batch_audit.runner.narrative import narrate


class Evidence:
    """What a run left on disk. The log is read once, and its events only for the invocations that are asked for."""

    def __init__(
        self,
        batch_id: str,
        started_at: int,
        log_mark: LogMark | None,
        manifest: Path | None,
        results: Mapping[str, RunResults],
        hide: Callable[[str], str],
    ):
        """`hide` removes secrets from messages; `results` are the artifacts that were seen, by invocation."""
        self._batch_id = batch_id
        self._started_at = started_at
        self._manifest = manifest
        self._results = results
        self._hide = hide
        self._log, self._log_is_whole = read_since(log_mark) if log_mark else (b"", False)
        self._log_path = log_mark.path if log_mark else None

    def ids(self) -> tuple[str, ...]:
        """The invocations that wrote the log or an artifact since the start, without those of another batch."""
        strangers = {
            found.invocation_id for found in self._results.values() if found.batch_id != self._batch_id
        }
        seen = dict.fromkeys([*invocation_ids(self._log), *self._results])
        return tuple(invocation_id for invocation_id in seen if invocation_id not in strangers)

    def built(self) -> dict[str, str]:
        """Unique_id to compiled code of what the batch built, as its results tell; of several builds the last."""
        found = {}
        for results in self._results.values():
            if results.batch_id == self._batch_id and results.command in BUILDING_COMMANDS:
                for result in results.results:
                    if result.get("status") == "success" and result.get("unique_id"):
                        found[str(result["unique_id"])] = str(result.get("compiled_code") or "")
        return found

    def invocations(self, wanted: Collection[str]) -> tuple[Invocation, ...]:
        """The facts of the wanted invocations, in the order of the log; one that left no trace has no facts."""
        slices = {part.invocation_id: part for part in read_log(self._log, self._started_at)}
        order = [
            *(known for known in slices if known in wanted),
            *(other for other in wanted if other not in slices),
        ]
        return tuple(self._invocation(invocation_id, slices) for invocation_id in order)

    def notes(self, slices_wanted: bool = True) -> tuple[str, ...]:
        """What is missing from the evidence itself."""
        if self._log_path is None or not slices_wanted:
            return ()
        if not self._log:
            return (f"dbt wrote nothing to {self._log_path}",)
        return (
            ()
            if self._log_is_whole
            else (f"the start of dbt's log is gone: {self._log_path} was rotated away",)
        )

    def _invocation(self, invocation_id: str, slices: Mapping[str, LogSlice]) -> Invocation:
        part = slices.get(invocation_id)
        invocation = narrate(part) if part else Invocation(invocation_id)
        if invocation_id in self._results:
            invocation = with_results(invocation, self._results[invocation_id])
        if self._manifest is not None and invocation.nodes:
            invocation = with_manifest(invocation, read_manifest(self._manifest, invocation_id))
        return self._without_secrets(invocation)

    def _without_secrets(self, invocation: Invocation) -> Invocation:
        def hidden(text: str | None) -> str | None:
            return None if text is None else self._hide(text)

        return replace(
            invocation,
            error=hidden(invocation.error),
            hook_error=hidden(invocation.hook_error),
            nodes=tuple(replace(node, message=hidden(node.message)) for node in invocation.nodes),
        )


def unfinished(invocations: Sequence[Invocation]) -> bool:
    """Whether one of them did not say how it ended."""
    return any(not invocation.ended for invocation in invocations)
