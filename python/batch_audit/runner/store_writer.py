"""Brings runs into their stores: this one and what earlier ones left in the spool. The rest stays there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from batch_audit.errors import BatchAuditError, ConfigurationError, StoreMissingError, WarehouseError
from batch_audit.runner.artifacts import RunResults, read_run_results
from batch_audit.runner.evidence import Evidence
from batch_audit.runner.facts import Invocation, Outcome
from batch_audit.runner.finish import Finished, finish_run
from batch_audit.runner.log_files import LogMark
from batch_audit.runner.process import processes_of
from batch_audit.runner.secrets import hide_known, secret_values, vars_text
from batch_audit.runner.spool import CONNECTION, Record, left_over
from batch_audit.settings import Settings
from batch_audit.warehouses.base import Warehouse

Tell = Callable[[Collection[str]], tuple[Invocation, ...]]


@dataclass
class Written:
    """How it went: what was done for the run, why not if it could not be, and remarks for people.

    `settings` are those that reached the store; `missing` says what evidence is not in it.
    """

    settings: Settings
    finished: Finished | None = None
    problem: str | None = None
    notes: list[str] = field(default_factory=list)
    missing: tuple[str, ...] = ()


def write_run(
    settings: Settings, record: Record, outcome: Outcome, seen: Sequence[str], tell: Tell | None
) -> Written:
    """Complete a run in its store and forget its spool record; a store or a month that is missing is made by dbt.

    A command line may name a profile or a target that does not exist; the project's own default is then taken,
    because a run with a wrong profile must be on record, too.
    """
    written = Written(settings)
    candidates = [_connection(settings, record), settings]
    for number, candidate in enumerate(candidates):
        try:
            written.finished = _write_once(candidate, record, outcome, seen, tell, written.notes)
            written.problem, written.settings = None, candidate
            break
        except ConfigurationError as error:
            written.problem = written.problem or str(error)
            if number or candidates[0] == candidates[1]:
                break
            written.notes.append(
                "the command's own profile cannot be used; recorded in the project's default target"
            )
        except BatchAuditError as error:
            written.problem = str(error)
            break
    if written.finished is not None and written.finished.plan.settled:
        record.remove()
    return written


@dataclass(frozen=True)
class Recovered:
    """What became of one earlier run that waited in the spool; `note` says it for people."""

    batch_id: str | None
    state: Literal["stored", "waiting", "failed", "rejected"]
    note: str


def write_left_over(settings: Settings, folder: Path) -> list[Recovered]:
    """Complete the runs that earlier runners left in the spool `folder`, oldest first.

    A record leaves the spool once its run is in the store and sealed. Those of living runs are not touched.
    """
    records, rejected = left_over(folder)
    unreadable = [
        Recovered(
            None,
            "rejected",
            f"a spool record could not be read ({item.reason}); it is set aside as {item.path}",
        )
        for item in rejected
    ]
    return [*unreadable, *(_recover(settings, record) for record in records)]


def _recover(settings: Settings, record: Record) -> Recovered:
    batch_id = record.start.batch_id
    late = processes_of(batch_id)
    if late:
        record.release()
        note = f"batch {batch_id} waits in the spool: its process {late[0]} is still running"
        return Recovered(batch_id, "waiting", note)
    outcome, tell, seen = _remembered(record)
    written = write_run(settings, record, outcome, seen, tell)
    if written.finished is not None and written.finished.plan.settled:
        note = f"batch {batch_id} of an earlier run was left in the spool and is now in the store"
        return Recovered(batch_id, "stored", note)
    record.release()
    if written.finished is not None:
        why = next(iter(written.finished.plan.left_open.values()))
        return Recovered(batch_id, "waiting", f"batch {batch_id} waits in the spool: {why}")
    note = f"batch {batch_id} of an earlier run stays in {record.path}: {written.problem}"
    return Recovered(batch_id, "failed", note)


def _remembered(record: Record) -> tuple[Outcome, Tell | None, tuple[str, ...]]:
    """What a spooled run left: its outcome, or the log that it began at when nobody saw the end."""
    if record.outcome is not None:
        return (
            replace(record.outcome, late=()),
            None,
            tuple(i.invocation_id for i in record.outcome.invocations),
        )
    start = record.start
    results, manifest = _artifacts(record)
    secrets = secret_values(os.environ)
    evidence = Evidence(
        start.batch_id,
        start.started_at,
        LogMark.from_json(record.log_mark),
        manifest,
        results,
        lambda text: hide_known(text, secrets),
    )
    # The log may hold later runs of the project; which of them are this batch's, the store tells.
    invocations = evidence.invocations(evidence.ids())
    outcome = Outcome(None, _last_sign(start.started_at, invocations), invocations=invocations)
    return outcome, None, tuple(item.invocation_id for item in invocations)


def _artifacts(record: Record) -> tuple[dict[str, RunResults], Path | None]:
    """What dbt's artifacts still say of a spooled run: its results by invocation, and where the manifest lies."""
    if record.artifacts is None:
        return {}, None
    folder = Path(record.artifacts)
    try:
        found = read_run_results((folder / "run_results.json").read_bytes())
    except OSError:
        found = None
    ours = found is not None and found.batch_id == record.start.batch_id
    return {found.invocation_id: found} if found is not None and ours else {}, folder / "manifest.json"


def _last_sign(started_at: int, invocations: Sequence[Invocation]) -> int:
    return max([started_at, *(item.ended_at or 0 for item in invocations)])


def _write_once(
    settings: Settings,
    record: Record,
    outcome: Outcome,
    seen: Sequence[str],
    tell: Tell | None,
    notes: list[str],
) -> Finished:
    try:
        with opened(settings) as warehouse:
            return finish_run(warehouse, record.start, outcome, seen, tell)
    except (StoreMissingError, WarehouseError) as error:
        if not _make_store(settings, record.start.batch_month):
            raise
        first = error
    with opened(settings) as warehouse:
        finished = finish_run(warehouse, record.start, outcome, seen, tell)
    notes.append(f"the store was made ready first ({str(first).splitlines()[0]})")
    return finished


def _make_store(settings: Settings, month: str) -> bool:
    """Let dbt make the store's tables and the batch's month, by building the package's views; False if it cannot."""
    from batch_audit.runner.dbt_options import project_file
    from batch_audit.setup.views import build_views

    installed = project_file(settings.project_dir).get("packages-install-path") or "dbt_packages"
    # A project that has not installed the package is not audited, so it gets no store by itself.
    return (settings.project_dir / str(installed) / "batch_audit").exists() and build_views(
        settings, month
    ) is None


@contextmanager
def opened(settings: Settings) -> Iterator[Warehouse]:
    """An open warehouse that is closed whatever happens."""
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(settings)
    try:
        yield warehouse
    finally:
        warehouse.close()


def connection_of(settings: Settings) -> dict[str, str | None]:
    """The settings that say which store a run writes to, for its spool record; secrets in vars are left out."""
    values = {name: getattr(settings, name) for name in CONNECTION}
    shown = {name: None if value is None else str(value) for name, value in values.items()}
    return shown | {"vars": vars_text(settings.vars) if settings.vars else None}


def _connection(settings: Settings, record: Record) -> Settings:
    given = record.connection
    return replace(
        settings,
        project_dir=Path(given["project_dir"] or settings.project_dir),
        profiles_dir=Path(given["profiles_dir"]) if given["profiles_dir"] else None,
        profile=given["profile"],
        target=given["target"],
        vars=given["vars"],
        audit_schema=given["audit_schema"],
    )


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000
