"""Reads the report on one batch from the report models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batch_audit.errors import StoreMissingError
from batch_audit.reports.earlier import read_earlier
from batch_audit.reports.reader import Reader, Row, Source, require_views
from batch_audit.warehouses.base import Warehouse

CHANGES_PER_NODE = 40
CHANGES_SHOWN = 400
ERRORS_PER_TEST = 20
ERRORS_SHOWN = 200

_OF_BATCH = "where batch_id = {batch} and batch_month = {month}"
_MONTH = "select min(batch_month) as month from {stg_audit_segments} where batch_id = {batch}"
_BATCH = f"select * from {{fct_audit_batches}} {_OF_BATCH}"
_PACKAGE = "select package_version, store_format from {rpt_package}"
_INVOCATIONS = f"select * from {{fct_audit_invocations}} {_OF_BATCH} order by started_at, invocation_id"
_EVENTS = f"""
    select event_type, count(*) as events from {{stg_audit_events}} {_OF_BATCH}
    group by event_type order by event_type
"""
_NODES = f"select * from {{rpt_batch_nodes}} {_OF_BATCH} order by started_at, ended_at, node_id, event_id"
_TESTS = f"select * from {{rpt_validation_results}} {_OF_BATCH} order by node_name, test_name, event_id"
_NOT_CAPTURED = f"""
    select node_id, reason from {{fct_audit_events}} {_OF_BATCH} and event_type = 'not_captured'
    order by node_id, event_id
"""
_CAPTURES = f"select * from {{fct_audit_captures}} {_OF_BATCH} order by node_name, captured_at, event_id"
_INPUTS = (
    f"select * from {{rpt_batch_inputs}} {_OF_BATCH} order by node_name, counted_at, input_name, event_id"
)
_ERRORS = f"""
    select * from (
        select *, row_number() over (partition by test_id order by record_id, row_values, event_id) as place
        from {{rpt_record_errors}} {_OF_BATCH}
    ) as errors
    where place <= {ERRORS_PER_TEST} order by place, test_id, event_id limit {ERRORS_SHOWN}
"""
# Round by round over the nodes, so that a node with many changes does not crowd out the others.
_CHANGES = f"""
    select * from (
        select *, row_number() over (
            partition by node_id
            order by case change_type when 'update' then 1 when 'delete' then 2 else 3 end, record_id, event_id
        ) as place
        from {{fct_record_changes}} {_OF_BATCH} and not is_baseline
    ) as changes
    where place <= {CHANGES_PER_NODE} order by place, node_id, event_id limit {CHANGES_SHOWN}
"""
_BLOCKS = """
    select blocks.block_no, blocks.table_name, blocks.leaf_count, blocks.block_hash, blocks.sealed_at, segments.writer
    from {stg_audit_segments} as segments
    inner join {stg_audit_blocks} as blocks on segments.segment = blocks.segment
    where segments.batch_id = {batch} order by blocks.block_no
"""


@dataclass(frozen=True)
class BatchReport:
    """Everything that the page says, as rows of the report models in the order in which they are shown.

    `changes` and `record_errors` are a capped selection; the totals are in `captures` and `tests`. `sources` are the
    queries that were run. `earlier` are versions of the shown records from before; `earlier_not_read` is the number of
    events of a store that was too large to look for them. Times are naive UTC datetimes.
    """

    engine: str
    database: str
    schema: str
    package: Row
    batch: Row
    invocations: Sequence[Row]
    events: Sequence[Row]
    nodes: Sequence[Row]
    tests: Sequence[Row]
    record_errors: Sequence[Row]
    captures: Sequence[Row]
    inputs: Sequence[Row]
    changes: Sequence[Row]
    earlier: Sequence[Row]
    earlier_not_read: int | None
    not_captured: Sequence[Row]
    blocks: Sequence[Row]
    sources: Sequence[Source]

    @property
    def changes_total(self) -> int:
        """Changed records of the batch, without stored baselines."""
        batch = self.batch
        return int(
            batch["records_inserted"] + batch["records_updated"] + batch["records_deleted"]
            - batch["records_baseline"]
        )  # fmt: skip


def read_batch(warehouse: Warehouse, batch_id: str) -> BatchReport:
    """Read one batch from the report models, all in one snapshot of the database.

    Raises StoreMissingError if the store or its views are missing, or if there is no such batch.
    """
    require_views(warehouse)
    with warehouse.snapshot():
        return _read(warehouse, batch_id)


def _read(warehouse: Warehouse, batch_id: str) -> BatchReport:
    # With its month, Postgres reads one partition.
    month = Reader(warehouse, {"batch": batch_id}).rows("month", _MONTH)[0]["month"]
    if month is None:
        raise StoreMissingError(
            f"The audit store in {warehouse.database}.{warehouse.audit_schema} has no batch {batch_id}.\n"
            "  `batch-audit status` lists the batches."
        )
    read = Reader(warehouse, {"batch": batch_id, "month": str(month)})
    changes = read.rows("changed records", _CHANGES)
    earlier, too_large = read_earlier(read, _CHANGES) if changes else ([], None)
    return BatchReport(
        engine=warehouse.engine,
        database=warehouse.database,
        schema=warehouse.audit_schema,
        batch=read.rows("the batch", _BATCH)[0],
        package=read.rows("version of the views", _PACKAGE)[0],
        invocations=read.rows("dbt invocations", _INVOCATIONS),
        events=read.rows("population of events", _EVENTS),
        nodes=read.rows("nodes", _NODES),
        tests=read.rows("tests", _TESTS),
        record_errors=read.rows("failing rows", _ERRORS),
        captures=read.rows("captures", _CAPTURES),
        inputs=read.rows("inputs of captures", _INPUTS),
        changes=changes,
        earlier=earlier,
        earlier_not_read=too_large,
        not_captured=read.rows("not captured", _NOT_CAPTURED),
        blocks=read.rows("ledger blocks", _BLOCKS),
        sources=tuple(read.sources),
    )
