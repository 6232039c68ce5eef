"""Whether a relation is as its last capture left it. Reads, and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import Capture, Trail, read_trail
from batch_audit.history.edited_records import EditedRecords, read_edited_records
from batch_audit.history.moments import break_between, folded, utc
from batch_audit.history.names import parse_relation
from batch_audit.history.replay import columns_differ
from batch_audit.warehouses.base import Column, Fingerprint, Warehouse

Verdict = Literal["unchanged", "changed", "not evaluated"]


@dataclass(frozen=True)
class Reconciliation:
    """What a relation was found to be, held against the last capture.

    `reason` says why it was not evaluated, or why there is nothing to name. `found` is None where the relation was not
    read, `records` unless it has changed.
    """

    trail: Trail
    verdict: Verdict
    reason: str | None = None
    found: Fingerprint | None = None
    records: EditedRecords | None = None

    @property
    def capture(self) -> Capture | None:
        """The last capture, if there is one."""
        return self.trail.captures[-1] if self.trail.captures else None

    def as_json(self) -> dict[str, Any]:
        """The result for machines."""
        last = self.capture
        told: dict[str, Any] = {
            "node": self.trail.node,
            "verdict": self.verdict,
            "reason": self.reason,
            "capture": None,
            "found": self.found and {"rows": self.found.rows, "fingerprint": self.found.total},
        }
        if last is not None:
            told["capture"] = {
                "relation": last.relation,
                "capture_no": last.number,
                "batch_id": last.batch_id,
                "captured_at": utc(last.occurred_at),
                "ignored": list(last.ignored),
                "rows": last.rows_after,
                "fingerprint": last.fingerprint,
                "fingerprint_engine": last.fingerprint_engine,
            }
        return told | (self.records.as_json() if self.records else {})


def reconcile(warehouse: Warehouse, model: str, limit: int = 20) -> Reconciliation:
    """Hold the relation of `model` against its last capture; if it changed, name at most `limit` of its records.

    All is read from one state of the database. Raises like `read_trail`, and ConfigurationError for a snapshot.
    """
    trail = read_trail(warehouse, model)
    if trail.node.startswith("snapshot."):
        raise ConfigurationError(
            f"{trail.name} cannot be reconciled: it is a snapshot, and a capture compares only the versions that are"
            " valid.\n  Its next build compares them, and names an edit with its values: batch-audit history."
        )
    place = parse_relation(trail.captures[-1].relation) if trail.captures else None
    with warehouse.snapshot():
        # Held first: what a transaction sees is fixed by its first query.
        if place and warehouse.relation_kind(*place) in ("table", "view"):
            warehouse.keep_still(*place)
        trail = read_trail(warehouse, trail.node)
        reason = _not_evaluated(trail)
        if reason:
            return Reconciliation(trail, "not evaluated", reason)
        return _evaluate(warehouse, trail, limit)


def _not_evaluated(trail: Trail) -> str | None:
    """Why the log does not say how the relation was left; None if it does."""
    if not trail.captures:
        reasons = sorted({build.reason for build in trail.uncaptured})
        return "none of its builds was captured" + (f" ({'; '.join(reasons)})" if reasons else "")
    newest = trail.newest
    missed = break_between(trail, newest, newest, to_present=True)
    if missed:
        return missed
    if newest.fingerprint is None:
        return f"capture {newest.number} stored no fingerprint"
    return None


def _evaluate(warehouse: Warehouse, trail: Trail, limit: int) -> Reconciliation:
    newest = trail.newest
    place = parse_relation(newest.relation)
    present = warehouse.columns(*place)
    if not present:
        return Reconciliation(trail, "changed", f"the relation {newest.relation} is not there any more")
    if columns_differ(warehouse.values, present, newest.columns):
        reason = f"{newest.relation} no longer has the columns that capture {newest.number} saw"
        return Reconciliation(trail, "not evaluated", reason)
    engine = warehouse.fingerprint_engine()
    if engine != newest.fingerprint_engine:
        reason = (
            f"capture {newest.number} took its fingerprint with {newest.fingerprint_engine}, and this is {engine}:"
            " another version may hash the same row otherwise"
        )
        return Reconciliation(trail, "not evaluated", reason)
    found = warehouse.fingerprint(*place, _compared(newest, present, warehouse))
    if found == Fingerprint(newest.rows_after, newest.fingerprint or ""):
        return Reconciliation(trail, "unchanged", found=found)
    return Reconciliation(
        trail, "changed", found=found, records=read_edited_records(warehouse, trail, present, limit)
    )


def _compared(capture: Capture, present: list[Column], warehouse: Warehouse) -> list[str]:
    fold = warehouse.values.fold
    ignored = {folded(fold, name) for name in capture.ignored}
    return [column.name for column in present if folded(fold, column.name) not in ignored]
