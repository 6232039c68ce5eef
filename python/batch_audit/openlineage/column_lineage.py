"""The columnLineage facet from column edges, and edges read through models that are no relations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from batch_audit.openlineage.facets import COLUMN_LINEAGE, facet

ANY = "*"
"""Stands for columns that are not known."""
_STRENGTH = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")


class ColumnEdge(Protocol):
    """What the facet needs to know of an edge; the edges of a project and of a statement have it."""

    @property
    def source(self) -> str: ...
    @property
    def source_column(self) -> str: ...
    @property
    def target_column(self) -> str | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def subtype(self) -> str: ...
    @property
    def masking(self) -> bool: ...
    @property
    def expression(self) -> str: ...


@dataclass(frozen=True, order=True)
class Dataset:
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Edge:
    """A column edge into one target; `target_column` is None for what influences all of its rows."""

    source: str
    source_column: str
    target_column: str | None
    kind: str
    subtype: str
    masking: bool = False
    expression: str = ""


def column_lineage_facet(
    edges: Collection[ColumnEdge], datasets: Mapping[str, Dataset]
) -> dict[str, Any] | None:
    """The columnLineage facet 1-2-0 of one target; None when no edge can be told.

    `edges` are those of the target; `datasets` names their sources. Edges of a source without a name, or whose
    columns are not known, are left out: the facet has no place for them.
    """
    fields: dict[str, dict[tuple[Dataset, str], list[dict[str, Any]]]] = {}
    whole: dict[tuple[Dataset, str], list[dict[str, Any]]] = {}
    for edge in edges:
        dataset = datasets.get(edge.source)
        if dataset is None or ANY in (edge.source_column, edge.target_column):
            continue
        into = whole if edge.target_column is None else fields.setdefault(edge.target_column, {})
        found = into.setdefault((dataset, edge.source_column), [])
        transformation = _transformation(edge)
        if transformation not in found:
            found.append(transformation)
    if not fields and not whole:
        return None
    told: dict[str, Any] = {
        "fields": {column: {"inputFields": _inputs(fields[column])} for column in sorted(fields)}
    }
    return facet(COLUMN_LINEAGE, **told, **({"dataset": _inputs(whole)} if whole else {}))


def _transformation(edge: ColumnEdge) -> dict[str, Any]:
    told: dict[str, Any] = {"type": edge.kind, "subtype": edge.subtype}
    if edge.expression:
        told["description"] = edge.expression
    return told | {"masking": edge.masking}


def _inputs(found: Mapping[tuple[Dataset, str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {
            "namespace": dataset.namespace, "name": dataset.name, "field": column,
            "transformations": sorted(transformations, key=lambda item: sorted(map(str, item.items()))),
        }
        for (dataset, column), transformations in sorted(found.items())
    ]  # fmt: skip


def read_through(
    edges: Sequence[ColumnEdge], inner: Mapping[str, Sequence[ColumnEdge]]
) -> tuple[ColumnEdge, ...]:
    """The edges with each source that is in `inner` replaced by that one's own sources, however deep.

    Meant for ephemeral models: dbt writes them into the code of those that read them, so no dataset stands for them.
    Along a path the largest of IDENTITY, TRANSFORMATION and AGGREGATION counts, and the outermost indirect subtype
    (docs/reference/column-lineage.md). What influences all rows of the inner model influences all rows.
    """
    return tuple(dict.fromkeys(_through(edges, inner, frozenset())))


def _through(
    edges: Sequence[ColumnEdge], inner: Mapping[str, Sequence[ColumnEdge]], passed: frozenset[str]
) -> Iterator[ColumnEdge]:
    opened: dict[str, list[ColumnEdge]] = {}
    for edge in edges:
        if edge.source not in inner or edge.source in passed:
            yield edge
            continue
        if edge.source not in opened:
            within = _through(inner[edge.source], inner, passed | {edge.source})
            opened[edge.source] = list(dict.fromkeys(within))
            yield from (item for item in opened[edge.source] if item.target_column is None)
        for item in opened[edge.source]:
            if item.target_column is not None and _meet(item.target_column, edge.source_column):
                yield _joined(edge, item)


def _meet(made: str, read: str) -> bool:
    return ANY in (made, read) or made.lower() == read.lower()


def _joined(outer: ColumnEdge, inner: ColumnEdge) -> Edge:
    if outer.kind == "INDIRECT":
        kind, subtype = outer.kind, outer.subtype
    elif inner.kind == "INDIRECT":
        kind, subtype = inner.kind, inner.subtype
    else:
        kind, subtype = "DIRECT", max(outer.subtype, inner.subtype, key=_strength)
    renamed = outer.kind == "DIRECT" and outer.subtype == "IDENTITY"
    expression = inner.expression if renamed else outer.expression
    unsure = ANY in (inner.target_column, outer.source_column)
    return Edge(
        inner.source, ANY if unsure else inner.source_column, outer.target_column, kind, subtype,
        outer.masking or inner.masking, expression or outer.expression or inner.expression,
    )  # fmt: skip


def _strength(subtype: str) -> int:
    return _STRENGTH.index(subtype) if subtype in _STRENGTH else len(_STRENGTH)
