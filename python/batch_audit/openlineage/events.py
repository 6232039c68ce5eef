"""The run events of a batch: facts in, events out, in the order in which they happened.

The batch is a run, and each node and test that was executed is a run below it. A run has one START and one of
COMPLETE, FAIL and ABORT (OpenLineage, spec 2-0-2, RunEvent). Nodes that were skipped were never run: they have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from batch_audit.openlineage import facets
from batch_audit.openlineage.column_lineage import column_lineage_facet
from batch_audit.openlineage.facets import facet, known
from batch_audit.openlineage.facts import BatchRun, NodeRun, Output, Relation, Test

Event = dict[str, Any]
_NAMESPACE = UUID("3f1a5e0c-0d0b-5b8e-9a55-6f7a1c9b2d44")
_ENDS_OF_BATCHES = {"success": "COMPLETE", "nothing_selected": "COMPLETE", "error": "FAIL"}
_ENDS_OF_NODES = {"success": "COMPLETE", "pass": "COMPLETE", "warn": "COMPLETE", "unknown": "ABORT"}
NOT_RUN = ("skipped", "no-op", "reused")
"""dbt's statuses of nodes that it did not execute."""


def batch_events(batch: BatchRun, namespace: str) -> list[Event]:
    """The events of a batch, its own START first and its own end last; a batch that still runs has no end.

    `namespace` is that of its jobs. The same facts give the same events, with the same run ids.
    """
    job = {"namespace": namespace, "name": job_name(batch)}
    run_id = batch_run_id(batch.batch_id)
    first = _batch_event(batch, "START", batch.began, run_id, job)
    last = []
    if batch.ended is not None:
        end = _ENDS_OF_BATCHES.get(batch.status, "ABORT")
        last = [_batch_event(batch, end, max(batch.began, batch.ended), run_id, job)]
    parent = facet(facets.PARENT, run={"runId": run_id}, job=job)
    runs = [node for node in batch.nodes if node.status not in NOT_RUN]
    placed = [
        (*place, event) for node in runs for place, event in _node_events(batch, node, namespace, parent)
    ]
    within = [event for *_, event in sorted(placed, key=lambda item: item[:-1])]
    return [first, *within, *last]


def job_name(batch: BatchRun) -> str:
    """The project, and the name that the batch's runner gave it, as the batch's job."""
    return ".".join(part for part in (batch.project, batch.job) if part) or "unknown"


def batch_run_id(batch_id: str) -> str:
    """The run of a batch: its own id where that is a UUID, else one that follows from it (UUID, version 5)."""
    try:
        return str(UUID(batch_id))
    except ValueError:
        return str(uuid5(_NAMESPACE, batch_id))


def node_run_id(batch_id: str, event_id: str) -> str:
    """The run of a node: it follows from its batch and its event in the store, so sending twice is the same run."""
    return str(uuid5(UUID(batch_run_id(batch_id)), event_id))


def _batch_event(batch: BatchRun, state: str, at: datetime, run_id: str, job: dict[str, str]) -> Event:
    failed = batch.message if state in ("FAIL", "ABORT") else None
    return _event(
        state, at,
        {"runId": run_id, "facets": known(
            parent=batch.parent and facet(facets.PARENT, **batch.parent),
            processing_engine=_engine(batch.dbt_version),
            tags=_tags(batch_id=batch.batch_id),
            errorMessage=_error(failed),
        )},
        {**job, "facets": known(
            jobType=_job_type("JOB"), sourceCodeLocation=_location(batch, None),
        )},
    )  # fmt: skip


def _node_events(
    batch: BatchRun, node: NodeRun, namespace: str, parent: dict[str, Any]
) -> Iterator[tuple[tuple[datetime, str, int], Event]]:
    """START and end, each with its place: by time, a run's START before its end."""
    run_id = node_run_id(batch.batch_id, node.event_id)
    job = {"namespace": namespace, "name": node.unique_id, "facets": _job_facets(batch, node)}
    started = {"parent": parent, "processing_engine": _engine(node.dbt_version)}
    end = _ENDS_OF_NODES.get(node.status, "FAIL")
    ended = started | {
        "tags": _tags(batch_id=batch.batch_id, **_counted(node)),
        "errorMessage": _error(node.message if end != "COMPLETE" else None),
        "test": _test_facet(node),
    }
    yield (node.began, run_id, 0), _event(
        "START", node.began, {"runId": run_id, "facets": known(**started)}, job,
        [_bare(item) for item in node.inputs], [_bare(item.relation) for item in node.outputs],
    )  # fmt: skip
    at = max(node.began, node.ended)
    yield (at, run_id, 1), _event(
        end, at, {"runId": run_id, "facets": known(**ended)}, job,
        [_input(item, node.test, node.status) for item in node.inputs],
        [_output(node, item) for item in node.outputs] if end == "COMPLETE" else [],
    )  # fmt: skip


def _event(
    state: str, at: datetime, run: dict[str, Any], job: dict[str, Any], inputs: Sequence[dict[str, Any]] = (),
    outputs: Sequence[dict[str, Any]] = (),
) -> Event:  # fmt: skip
    return {
        "eventType": state, "eventTime": _time(at), "run": run, "job": job, "inputs": list(inputs),
        "outputs": list(outputs), "producer": facets.PRODUCER, "schemaURL": facets.RUN_EVENT,
    }  # fmt: skip


def _time(at: datetime) -> str:
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _job_facets(batch: BatchRun, node: NodeRun) -> dict[str, Any]:
    return known(
        jobType=_job_type(node.resource_type.upper()),
        sql=facet(facets.SQL, query=node.sql, dialect=batch.dialect) if node.sql else None,
        sourceCodeLocation=_location(batch, node.path),
        documentation=_documentation(facets.JOB_DOCUMENTATION, node.description),
    )


def _job_type(kind: str) -> dict[str, Any]:
    return facet(facets.JOB_TYPE, processingType="BATCH", integration="DBT", jobType=kind)


def _location(batch: BatchRun, path: str | None) -> dict[str, Any] | None:
    code = batch.repository
    if code is None:
        return None
    return facet(
        facets.SOURCE_CODE_LOCATION, type="git", url=code.url, repoUrl=code.url, path=path, version=code.commit,
        branch=code.branch,
    )  # fmt: skip


def _engine(version: str | None) -> dict[str, Any] | None:
    return facet(facets.PROCESSING_ENGINE, version=version, name="dbt") if version else None


def _error(message: str | None) -> dict[str, Any] | None:
    return facet(facets.ERROR_MESSAGE, message=message, programmingLanguage="SQL") if message else None


def _documentation(schema: str, description: str | None) -> dict[str, Any] | None:
    return facet(schema, description=description) if description else None


def _tags(**values: object) -> dict[str, Any]:
    """What the standard has no facet for, as tags, which every consumer can show."""
    tags = [{"key": key, "value": str(value), "source": "batch_audit"} for key, value in values.items()]
    return facet(facets.TAGS, tags=tags)


def _counted(node: NodeRun) -> dict[str, int]:
    return {
        f"records_{name}": count for output in node.outputs for name, count in output.written.changes.items()
    }


def _bare(relation: Relation) -> dict[str, Any]:
    dataset = relation.dataset
    source = facet(facets.DATA_SOURCE, name=dataset.namespace, uri=dataset.namespace)
    return {"namespace": dataset.namespace, "name": dataset.name, "facets": {"dataSource": source}}


def _described(relation: Relation) -> dict[str, Any]:
    told = _bare(relation)
    owners = [{"name": owner} for owner in relation.owners]
    told["facets"] |= known(
        schema=facet(facets.SCHEMA, fields=[_field(item) for item in relation.fields]) if relation.fields else None,
        documentation=_documentation(facets.DATASET_DOCUMENTATION, relation.description),
        ownership=facet(facets.DATASET_OWNERSHIP, owners=owners) if owners else None,
    )  # fmt: skip
    return told


def _field(item: object) -> dict[str, Any]:
    return known(**{name: getattr(item, name) or None for name in ("name", "type", "description")})


def _input(relation: Relation, test: Test | None, status: str) -> dict[str, Any]:
    told = _described(relation)
    if test is None or relation != test.tested or status not in ("pass", "fail", "warn"):
        return told
    assertion = known(
        assertion=test.kind or test.name, success=status == "pass", column=test.column, severity=test.severity,
        name=test.name, actual=None if test.failures is None else str(test.failures),
    )  # fmt: skip
    return told | {"inputFacets": {"dataQualityAssertions": facet(facets.ASSERTIONS, assertions=[assertion])}}


def _test_facet(node: NodeRun) -> dict[str, Any] | None:
    """The result of a test; one that could not be evaluated has none."""
    test = node.test
    if test is None or node.status not in ("pass", "fail", "warn"):
        return None
    told = known(
        name=test.name, status="pass" if node.status == "pass" else "fail", severity=test.severity, type=test.kind,
        actual=None if test.failures is None else str(test.failures),
    )  # fmt: skip
    return facet(facets.TEST, tests=[told])


def _output(node: NodeRun, output: Output) -> dict[str, Any]:
    told = _described(output.relation)
    rows, rows_after = output.written.rows, output.written.rows_after
    metrics = facet(facets.METRICS, rowCount=rows_after, columnMetrics={})
    told["facets"] |= known(
        columnLineage=column_lineage_facet(output.edges, node.sources),
        dataQualityMetrics=None if rows_after is None else metrics,
    )
    if rows is not None:
        told["outputFacets"] = {"outputStatistics": facet(facets.OUTPUT_STATISTICS, rowCount=rows)}
    return told
