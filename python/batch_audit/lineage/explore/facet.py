"""A slice as column lineage facets of OpenLineage, one for each dataset that something leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batch_audit.lineage.explore.machine import edge_order
from batch_audit.lineage.explore.slices import Slice
from batch_audit.lineage.project import ProjectEdge
from batch_audit.openlineage.column_lineage import ANY, Dataset, column_lineage_facet
from batch_audit.openlineage.facets import COLUMN_LINEAGE, facet


def as_openlineage(found: Slice, namespace: str) -> list[dict[str, Any]]:
    """Datasets with their facet, in alphabetical order.

    A dataset's name is that of its relation, else its unique_id. A facet names existing columns only, so edges of a
    `*`, and gaps, are in its additional property `unknown`.
    """
    edges = sorted({step.edge for step in found.all_steps()}, key=edge_order)
    targets = {edge.target for edge in edges} | {gap.unique_id for gap in found.gaps}
    datasets = {edge.source: Dataset(namespace, _name(found, edge.source)) for edge in edges if edge.source}
    return [
        {
            "namespace": namespace, "name": _name(found, target),
            "facets": {"columnLineage": _facet(found, target, [e for e in edges if e.target == target], datasets)},
        }
        for target in sorted(targets)
    ]  # fmt: skip


def _name(found: Slice, unique_id: str) -> str:
    return found.known.datasets[unique_id].relation or unique_id


def _facet(
    found: Slice, target: str, edges: Sequence[ProjectEdge], datasets: dict[str, Dataset]
) -> dict[str, Any]:
    unsure = [edge for edge in edges if not edge.source or ANY in (edge.source_column, edge.target_column)]
    unknown = [
        {
            "field": None if edge.target_column == ANY else edge.target_column,
            "reason": edge.note or _not_told(found, edge),
        }
        for edge in unsure
    ]
    unknown += [{"field": gap.column, "reason": gap.reason} for gap in found.gaps if gap.unique_id == target]
    told = column_lineage_facet(edges, datasets) or facet(COLUMN_LINEAGE, fields={})
    return told | ({"unknown": unknown} if unknown else {})


def _not_told(found: Slice, edge: ProjectEdge) -> str:
    where = (
        f"{edge.source_column} of {_name(found, edge.source)}"
        if edge.source
        else f"a column {edge.source_column}"
    )
    return f"it reads {where}, and no more is known"
