"""A slice as column lineage facets of OpenLineage, version 1-2-0: one for each dataset that something leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batch_audit import __version__
from batch_audit.lineage.explore.machine import edge_order
from batch_audit.lineage.explore.slices import Slice
from batch_audit.lineage.project import ProjectEdge

PRODUCER = f"https://pypi.org/project/dbt-batch-audit/{__version__}"
SCHEMA = (
    "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet"
)


def as_openlineage(found: Slice, namespace: str) -> list[dict[str, Any]]:
    """Datasets with their facet, in alphabetical order.

    A dataset's name is that of its relation, else its unique_id. A facet names existing columns only, so edges of a
    `*`, and gaps, are in its additional property `unknown`.
    """
    edges = sorted({step.edge for step in found.all_steps()}, key=edge_order)
    targets = {edge.target for edge in edges} | {gap.unique_id for gap in found.gaps}
    return [
        {
            "namespace": namespace, "name": _name(found, target),
            "facets": {"columnLineage": _facet(found, target, [e for e in edges if e.target == target], namespace)},
        }
        for target in sorted(targets)
    ]  # fmt: skip


def _name(found: Slice, unique_id: str) -> str:
    return found.known.datasets[unique_id].relation or unique_id


def _facet(found: Slice, target: str, edges: Sequence[ProjectEdge], namespace: str) -> dict[str, Any]:
    sure = [edge for edge in edges if edge.source and "*" not in (edge.source_column, edge.target_column)]
    columns = dict.fromkeys(edge.target_column for edge in sure if edge.target_column is not None)
    unknown = [
        {"field": None if edge.target_column == "*" else edge.target_column,
         "reason": edge.note or _not_told(found, edge)}
        for edge in edges if edge not in sure
    ] + [{"field": gap.column, "reason": gap.reason} for gap in found.gaps if gap.unique_id == target]  # fmt: skip
    facet = {
        "_producer": PRODUCER,
        "_schemaURL": SCHEMA,
        "fields": {
            column: {"inputFields": _inputs(found, [e for e in sure if e.target_column == column], namespace)}
            for column in columns
        },
        "dataset": _inputs(found, [edge for edge in sure if edge.target_column is None], namespace),
    }
    return facet | ({"unknown": unknown} if unknown else {})


def _not_told(found: Slice, edge: ProjectEdge) -> str:
    where = (
        f"{edge.source_column} of {_name(found, edge.source)}"
        if edge.source
        else f"a column {edge.source_column}"
    )
    return f"it reads {where}, and no more is known"


def _inputs(found: Slice, edges: Sequence[ProjectEdge], namespace: str) -> list[dict[str, Any]]:
    """Input fields, each once, with every way in which it gets into the target."""
    fields: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for edge in edges:
        fields.setdefault((_name(found, edge.source), edge.source_column), []).append(
            {"type": edge.kind, "subtype": edge.subtype, "description": edge.expression, "masking": edge.masking}
        )  # fmt: skip
    return [
        {"namespace": namespace, "name": name, "field": field, "transformations": ways}
        for (name, field), ways in fields.items()
    ]
