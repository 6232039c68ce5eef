"""Completes a run in the store after its command has ended: on one connection, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from batch_audit.errors import StoreMissingError
from batch_audit.ledger.seal import seal_segments
from batch_audit.ledger.tables import EVENT, SEGMENT
from batch_audit.runner.facts import Invocation, Outcome, Start
from batch_audit.runner.plan import Plan, StoredSegment, plan
from batch_audit.runner.read_store import read_state, read_tally, settled_segments
from batch_audit.warehouses.base import Warehouse


@dataclass(frozen=True)
class Finished:
    """What was done for a run: the plan that was carried out, and what the batch came to."""

    plan: Plan
    tally: dict[str, Any]


def finish_run(
    warehouse: Warehouse,
    start: Start,
    outcome: Outcome,
    seen: Sequence[str],
    tell: Callable[[Collection[str]], tuple[Invocation, ...]] | None = None,
) -> Finished:
    """Write what the store lacks about a run and seal its segments, all or nothing.

    `seen` are the invocations that left a trace on disk. `tell` reads the facts of some of them; it is asked only for
    those without an end in the store. Without it the facts are those of `outcome`.

    Raises StoreMissingError when there is no store, WarehouseError when it cannot be written.
    """
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database} yet:"
            " no run has come as far as to create it."
        )
    now_us = time.time_ns() // 1000
    with warehouse.transaction():
        segments, held = settled_segments(warehouse, start.batch_id, seen)
        state = read_state(warehouse, start.batch_id, segments, held)
        start = replace(start, batch_month=_month(start, segments))
        if tell is not None:
            closed = tuple(Invocation(name, ended=True) for name in seen if name in state.ends)
            facts = tell([name for name in seen if name not in state.ends])
            outcome = replace(outcome, invocations=(*closed, *facts))
        elif outcome.status is None:
            # Nobody saw the end: the log may go on with later batches, so only what the store knows counts.
            known = tuple(item for item in outcome.invocations if item.invocation_id in state.starts)
            outcome = replace(outcome, invocations=known)
        decided = plan(start, outcome, state, now_us=now_us, clean=warehouse.storable)
        for fill in decided.fills:
            warehouse.insert(SEGMENT.name, SEGMENT.columns, [fill.segment.row()])
            warehouse.insert(EVENT.name, EVENT.columns, fill.events)
        seal_segments(warehouse, decided.seal, now_us=now_us)
    return Finished(decided, read_tally(warehouse, start.batch_id))


def _month(start: Start, segments: Sequence[StoredSegment]) -> str:
    """The month under which the store has the batch: whoever joins it keeps that month."""
    return next((item.batch_month for item in segments if item.batch_id == start.batch_id), start.batch_month)
