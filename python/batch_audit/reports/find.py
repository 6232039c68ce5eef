"""Finds the batch that somebody means."""

from __future__ import annotations

from batch_audit.errors import ConfigurationError, StoreMissingError
from batch_audit.warehouses.base import Warehouse

_SHOWN = 8


def find_batch(warehouse: Warehouse, wanted: str | None) -> str:
    """The id of the newest batch, or of the one batch whose id begins with `wanted`.

    Raises ConfigurationError when no batch or several batches begin so, StoreMissingError when there is none at all.
    """
    known = warehouse.query(
        "select batch_id, max(opened_at) as opened_at"
        f" from {warehouse.table('stg_audit_segments')} group by batch_id order by opened_at desc, batch_id"
    )
    ids = [str(row["batch_id"]) for row in known]
    if not ids:
        raise StoreMissingError(
            f"The audit store in {warehouse.database}.{warehouse.audit_schema} has no batch yet.\n"
            "  Run one with `batch-audit run -- dbt build`."
        )
    if wanted is None:
        return ids[0]
    if wanted in ids:
        return wanted
    found = [batch_id for batch_id in ids if wanted and batch_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(
            f"{len(found)} batches begin with {wanted!r}: {_listed(found)}.\n  Give more of the id."
        )
    raise ConfigurationError(
        f"No batch begins with {wanted!r}. The newest are {_listed(ids)}.\n"
        "  `batch-audit status` lists more; without an id the newest batch is reported."
    )


def _listed(ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more
