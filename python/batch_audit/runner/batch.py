"""Runs one batch from start to end: spool, command, store, views, report."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from batch_audit import __version__
from batch_audit.errors import BatchAuditError
from batch_audit.runner import spool
from batch_audit.runner.artifacts import ResultsWatch
from batch_audit.runner.context import actor_of, adapter_versions_of, ci_of, code_of, git_of, os_user
from batch_audit.runner.dbt_options import Paths, dbt_call, paths_of, project_file, settings_of
from batch_audit.runner.environment import Identity, for_dbt, identity
from batch_audit.runner.evidence import Evidence
from batch_audit.runner.facts import Outcome, Start
from batch_audit.runner.log_files import LogMark, mark
from batch_audit.runner.process import Signals, caught_signals, late_processes, run_command, signal_name
from batch_audit.runner.secrets import command_text, hide_known, secret_values
from batch_audit.runner.store_writer import Written, connection_of, now_us, opened, write_left_over, write_run
from batch_audit.runner.summary import Summary
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.digest.publish import Request
    from batch_audit.openlineage.destination import Destination
    from batch_audit.runner.lineage import LineageWatch

INCOMPLETE = 4
"""Exit status of a run that is fine while its evidence is not complete."""

Busy = Callable[[str], AbstractContextManager[None]]
"""Shows what is being done for as long as it takes."""


@dataclass(frozen=True)
class Options:
    """What the command line of `batch-audit run` says beside the shared settings."""

    command: tuple[str, ...]
    job: str | None = None
    batch_id: str | None = None
    actor: str | None = None
    report: bool = True
    lineage: bool = True
    openlineage: Destination | None = None
    digest: Request | None = None


def run_batch(settings: Settings, options: Options, busy: Busy) -> Summary:
    """Run the command as a batch. The summary's `exit_status` is the command's own, or 4 (see INCOMPLETE).

    `busy` says what takes longer than a moment once the command is over.

    Raises ConfigurationError, before anything runs, if the start cannot be recorded.
    """
    began = time.monotonic()
    call = dbt_call(options.command)
    dbt_settings = settings_of(settings, call)
    paths = paths_of(dbt_settings, call, os.environ)
    start = start_of(dbt_settings, options, identity(options.batch_id, os.environ), adapter_versions_of(call))
    record = spool.begin(
        settings.state_folder("spool"),
        start,
        connection_of(dbt_settings),
        mark(paths.log).as_json(),
        str(paths.target),
    )
    with caught_signals() as signals:
        watch = _beside(_lineage_watch, paths, mark(paths.log), start) if options.lineage else None
        outcome, evidence = _run(settings, dbt_settings, options, start, paths, signals)
        ended = time.monotonic()
        written, notes = _stored(settings, record, outcome, evidence)
        if watch is not None:
            notes += _lineage(written, record.start, evidence, paths, watch)
        digest = _digest(written, record.start.batch_id, options.digest)
        notes += _refresh_views(written, start.batch_month, busy)
        report = (
            _report(written.settings, start.batch_id, notes) if options.report and written.finished else None
        )
        if options.openlineage is not None:
            notes += _openlineage(written, start.batch_id, options.openlineage, paths, evidence)
    summary = _summary(record, outcome, written, report, notes, ended - began, time.monotonic() - ended)
    return replace(summary, digest=digest)


def start_of(
    settings: Settings, options: Options, joins: Identity | None, adapter_versions: Mapping[str, str]
) -> Start:
    """Who runs what, on which code, where and when."""
    environment = os.environ
    ci = ci_of(environment)
    actor = actor_of(options.actor, ci, os_user())
    git = code_of(git_of(settings.project_dir), ci)
    started_at = now_us()
    month = _month(settings, joins) or datetime.fromtimestamp(started_at / 1_000_000, UTC).strftime("%Y-%m")
    project = project_file(settings.project_dir).get("name")
    return Start(
        joins.batch_id if joins else str(uuid4()), month, joins is not None, started_at, actor.name, actor.source,
        options.job, command_text(options.command, secret_values(environment)),
        None if project is None else str(project), str(settings.project_dir), git.commit,
        git.branch, git.dirty, ci.provider if ci else None,
        ci.run_url if ci else None, socket.gethostname(), os.getpid(), __version__,
        adapter_versions,
    )  # fmt: skip


def _month(settings: Settings, joins: Identity | None) -> str | None:
    """The month of a batch that is joined: as its environment says, else as the store has it; None if nobody knows."""
    if joins is None or joins.month:
        return joins.month if joins else None
    try:
        with opened(settings) as warehouse:
            if not warehouse.store_exists():
                return None
            found = warehouse.query(
                f"select min(batch_month) as month from {warehouse.table('audit_segment')}"
                f" where batch_id = {warehouse.literal(joins.batch_id)}"
            )
    except BatchAuditError:
        return None
    return found[0]["month"] or None


def _run(
    settings: Settings, dbt_settings: Settings, options: Options, start: Start, paths: Paths, signals: Signals
) -> tuple[Outcome, Evidence]:
    """The command itself, and what it left on disk. Slow imports happen beside it."""
    log_mark = mark(paths.log)
    watch = ResultsWatch(paths.run_results)
    watch.start()
    threading.Thread(target=_preload, args=(dbt_settings,), daemon=True).start()
    status, refused = run_command(options.command, for_dbt(start, settings, os.environ), signals)
    signals.finish()
    secrets = secret_values(os.environ)
    evidence = Evidence(
        start.batch_id,
        start.started_at,
        log_mark,
        paths.manifest,
        watch.finish(),
        lambda text: hide_known(text, secrets),
    )
    notes = (refused,) if refused else evidence.notes()
    outcome = Outcome(status, now_us(), signal_name(status), late_processes(start.batch_id), notes=notes)
    return outcome, evidence


def _preload(settings: Settings) -> None:
    import rich.console
    import rich.markup  # noqa: F401

    import batch_audit.ledger.seal
    import batch_audit.runner.finish  # noqa: F401
    from batch_audit.warehouses import preload

    preload(settings)


def _stored(
    settings: Settings, record: spool.Record, outcome: Outcome, evidence: Evidence
) -> tuple[Written, list[str]]:
    """Like `_store`; what nobody foresaw leaves the record in the spool and the command its own exit status."""
    try:
        return _store(settings, record, outcome, evidence)
    except (KeyboardInterrupt, Exception) as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Written(settings, problem=f"the audit was not finished: {reason}"), []


def _store(
    settings: Settings, record: spool.Record, outcome: Outcome, evidence: Evidence
) -> tuple[Written, list[str]]:
    """Bring earlier runs and this one into the store; the facts of one that went wrong go to the spool first."""
    seen = evidence.ids()
    if outcome.status != 0 or outcome.late:
        record.outcome = replace(outcome, invocations=evidence.invocations(seen))
        record.save()
    notes = [item.note for item in write_left_over(settings, record.path.parent)]
    written = write_run(settings, record, outcome, seen, evidence.invocations)
    if written.finished is None and record.outcome is None:
        record.outcome = replace(outcome, invocations=evidence.invocations(seen))
        record.save()
    return written, notes + written.notes


def _beside(work: Callable[..., LineageWatch], *arguments: object) -> Future[LineageWatch]:
    """Do it in a thread of its own: the command does not wait for slow imports."""
    future: Future[LineageWatch] = Future()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _lineage_watch(paths: Paths, log: LogMark, start: Start) -> LineageWatch:
    from batch_audit.runner.lineage import LineageWatch

    watch = LineageWatch(paths, log, start)
    watch.start()
    return watch


def _lineage(
    written: Written, start: Start, evidence: Evidence, paths: Paths, head_start: Future[LineageWatch]
) -> list[str]:
    """Record the column lineage of what was built; a failure is a note, or evidence that misses."""
    built, watch = evidence.built(), None
    try:
        from batch_audit.runner.lineage import add_lineage

        watch = head_start.result()
        watch.stop()
        if written.finished is None or not written.finished.plan.hooks_wrote or not built:
            return []
        with opened(written.settings) as warehouse:
            problem, told = add_lineage(
                warehouse, start, paths.manifest, built, evidence.ids(), watch, now_us()
            )
    except Exception as error:  # lineage must never cost the batch anything
        problem, told = f"{type(error).__name__}: {error}", False
    finally:
        if watch is not None:
            watch.pool.close()
    if problem is None:
        return []
    said = f"column lineage is not on record: {problem}"
    if not told:
        written.missing += (said,)
    return [said]


def _digest(written: Written, batch_id: str, request: Request | None) -> dict[str, Any] | None:
    """Write the batch's digest, if one is asked for; without it the evidence is not complete."""
    if request is None or written.finished is None:
        return None
    try:
        from batch_audit.digest.publish import as_json, publish

        with opened(written.settings) as warehouse:
            published = publish(warehouse, replace(request, batch_id=batch_id))
    except (KeyboardInterrupt, Exception) as error:
        reason = str(error) if isinstance(error, BatchAuditError) else f"{type(error).__name__}: {error}"
        written.missing += (f"the batch has no digest. {reason}",)
        return None
    if published.missing:
        written.missing += (published.missing,)
    return as_json(published)


def _refresh_views(written: Written, month: str, busy: Busy) -> list[str]:
    """Build the package's views when they are missing or of another version; never fails the batch."""
    from batch_audit.setup.views import build_views, built_version, this_version

    if written.finished is None or not written.finished.plan.hooks_wrote:
        return []
    try:
        with opened(written.settings) as warehouse:
            if built_version(warehouse) == this_version():
                return []
    except BatchAuditError:
        return []
    with busy("Building the audit's views, once for this version"):
        problem = build_views(written.settings, month)
        if problem is None:
            with suppress(BatchAuditError), opened(written.settings) as warehouse:
                warehouse.show_readers()
    return [f"the package's views could not be built, so there are no reports: {problem}"] if problem else []


def _report(settings: Settings, batch_id: str, notes: list[str]) -> str | None:
    """The path of the batch's report; what went wrong is a note, because the batch itself is on record."""
    try:
        from batch_audit.reports.batch import write_batch_report

        with opened(settings) as warehouse:
            path: Path = write_batch_report(warehouse, batch_id, settings.state_folder("reports"))
    except Exception as error:  # the report must never cost the batch anything
        notes.append(
            f"no report was written: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
        return None
    return str(path)


def _openlineage(
    written: Written, batch_id: str, destination: Destination, paths: Paths, evidence: Evidence
) -> list[str]:
    from batch_audit.runner.openlineage import emit_batch

    if written.finished is None:
        return ["OpenLineage: no events, because the batch is not in the store"]
    return emit_batch(written.settings, batch_id, destination, paths.target, evidence.built())


def _summary(
    record: spool.Record, outcome: Outcome, written: Written, report: str | None, notes: list[str], duration_s: float,
    audit_s: float,
) -> Summary:  # fmt: skip
    finished = written.finished
    open_reasons = tuple(dict.fromkeys(finished.plan.left_open.values())) if finished else ()
    open_reasons += written.missing
    status = outcome.status or 0
    summary = Summary(
        record.start.batch_id, status, status, round(duration_s, 3), round(audit_s, 3),
        finished.tally if finished else None, written.problem if finished is None else None,
        None if finished and finished.plan.settled else str(record.path), open_reasons, report, tuple(notes),
    )  # fmt: skip
    return (
        replace(summary, exit_status=INCOMPLETE)
        if status == 0 and summary.status == "incomplete"
        else summary
    )
