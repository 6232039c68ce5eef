"""Tells others of a run that has ended, as OpenLineage events. It never costs the batch anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from batch_audit.openlineage.destination import Destination
from batch_audit.openlineage.emit import Sources, events_of, parent_of
from batch_audit.openlineage.send import deliver
from batch_audit.runner.store_writer import opened
from batch_audit.settings import Settings


def emit_batch(
    settings: Settings, batch_id: str, destination: Destination, target: Path, code: Mapping[str, str]
) -> list[str]:
    """Deliver the events of a batch, and say what was done, what was left out, or what went wrong.

    `target` is dbt's target folder, `code` the compiled code that is at hand, by unique_id.
    """
    environment = os.environ
    try:
        sources = Sources(settings.project_dir, target, code, parent_of(environment))
        with opened(settings) as warehouse:
            events, notes = events_of(
                warehouse, batch_id, sources, environment.get("OPENLINEAGE_NAMESPACE") or "dbt",
                environment.get("BATCH_AUDIT_DATASET_NAMESPACE") or None,
            )  # fmt: skip
        return [f"OpenLineage: {said}" for said in (deliver(events, destination), *notes)]
    except KeyboardInterrupt:
        said = "interrupted before all events were delivered"
    except Exception as error:  # telling others must never cost the batch anything
        said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return [f"OpenLineage: {said}. Deliver it with `batch-audit openlineage {batch_id}`."]
