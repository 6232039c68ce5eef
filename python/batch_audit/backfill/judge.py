"""What makes the versions of a snapshot unfit to tell its past, or a backfill needless."""

from __future__ import annotations

from collections.abc import Sequence

from batch_audit.backfill.changes import CHANGES
from batch_audit.backfill.snapshots import Snapshot
from batch_audit.backfill.versions import VERSIONS
from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import Trail
from batch_audit.reports.text import visible
from batch_audit.warehouses.base import Warehouse

_SAMPLES = 3
_WRONG = {
    "null_key": "{} NULL in the key: such a row is no record's version. Give the key other columns, or remove the rows",
    "no_time": "{} a start or an end that is no moment in time (NULL or infinity). Correct these times",
    "reversed": "{} an end before the start. Correct these times: a source whose updated_at is not in the zone of dbt's"
    " session makes them",
    "overlapping": "{} versions that overlap: one begins before the one before it ends. Correct or remove"
    " one of them: a"
    " record that came back with its old updated_at makes them, and so do two snapshots into one table",
}


def captured_from_the_start(trail: Trail) -> str | None:
    """Why the table holds nothing from before its captures; None if it may."""
    built = [capture for capture in trail.seen if capture.mode in ("first_build", "baseline")]
    if not built:
        return None
    return (
        f"its table was built by a captured run (capture {built[-1].number}, batch {built[-1].batch_id}), so it holds"
        " nothing from before"
    )


def seen_from(warehouse: Warehouse, trail: Trail) -> int | None:
    """When the batch of the first capture began (microseconds UTC); None without one."""
    if not trail.seen:
        return None
    first = trail.seen[0]
    opened = warehouse.query(
        f"select min(opened_at) as moment from {warehouse.table('audit_segment')}"
        f" where segment = {warehouse.literal(first.segment)}"
    )[0]["moment"]
    return first.occurred_at if opened is None else min(first.occurred_at, opened)


def raise_for_versions(warehouse: Warehouse, snapshot: Snapshot) -> None:
    """Raise ConfigurationError for versions that do not follow each other, with some of their records."""
    rows = warehouse.query(
        "select wrong, record_id, records, place from (select wrong, record_id, count(*) over (partition by wrong) as"
        " records, row_number() over (partition by wrong order by record_id) as place from (select distinct wrong,"
        f" record_id from {VERSIONS} where wrong is not null) as d) as s where place <= {_SAMPLES} order by"
        " wrong, place"
    )
    told = []
    for kind, words in _WRONG.items():
        found = [row for row in rows if row["wrong"] == kind]
        if found:
            examples = _examples([row["record_id"] for row in found], int(found[0]["records"]))
            told.append(f"{words.format(_records(int(found[0]['records'])))}{examples}.")
    if told:
        raise ConfigurationError(
            f"{snapshot.name}: the versions in {snapshot.relation} do not tell what happened. Nothing was written.\n  "
            + "\n  ".join(told)
        )


def raise_for_rewritten_past(warehouse: Warehouse, snapshot: Snapshot) -> None:
    """Raise ConfigurationError if an earlier backfill recorded another past of a record."""
    rows = warehouse.query(
        "select record_id, count(*) over () as records from (select distinct record_id"
        f" from {CHANGES} where rewritten) as d order by record_id limit {_SAMPLES}"
    )
    if rows:
        count = int(rows[0]["records"])
        raise ConfigurationError(
            f"{snapshot.name}: {_records(count)} another past in {snapshot.relation} than an earlier"
            " backfill found there"
            f"{_examples([row['record_id'] for row in rows], count)}. Nothing was written.\n"
            "  Somebody changed, added or removed versions: `batch-audit history` shows what was recorded."
        )


def _records(count: int) -> str:
    return f"{count} record has" if count == 1 else f"{count} records have"


def _examples(ids: Sequence[str | None], count: int) -> str:
    shown = [visible(record_id) for record_id in ids if record_id is not None]
    return f" ({', '.join(shown)}{', …' if count > len(shown) else ''})" if shown else ""
