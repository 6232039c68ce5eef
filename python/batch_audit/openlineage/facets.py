"""Facets with the address of their published schema, and the producer that every one of them names."""

from __future__ import annotations

from typing import Any

from batch_audit import __version__

PRODUCER = f"pkg:pypi/dbt-batch-audit@{__version__}"
"""Who says it: a package URL (purl), which is a URI."""
RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


def _published(name: str, version: str) -> str:
    return f"https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}"


ASSERTIONS = _published("DataQualityAssertionsDatasetFacet", "1-1-0")
COLUMN_LINEAGE = _published("ColumnLineageDatasetFacet", "1-2-0")
DATA_SOURCE = _published("DatasourceDatasetFacet", "1-0-1")
DATASET_DOCUMENTATION = _published("DocumentationDatasetFacet", "1-1-0")
DATASET_OWNERSHIP = _published("OwnershipDatasetFacet", "1-0-1")
ERROR_MESSAGE = _published("ErrorMessageRunFacet", "1-0-1")
JOB_DOCUMENTATION = _published("DocumentationJobFacet", "1-1-0")
JOB_TYPE = _published("JobTypeJobFacet", "2-0-4")
METRICS = _published("DataQualityMetricsDatasetFacet", "1-0-1")
OUTPUT_STATISTICS = _published("OutputStatisticsOutputDatasetFacet", "1-0-2")
PARENT = _published("ParentRunFacet", "1-2-0")
PROCESSING_ENGINE = _published("ProcessingEngineRunFacet", "1-1-1")
SCHEMA = _published("SchemaDatasetFacet", "1-2-0")
SOURCE_CODE_LOCATION = _published("SourceCodeLocationJobFacet", "1-1-0")
SQL = _published("SQLJobFacet", "1-1-0")
TAGS = _published("TagsRunFacet", "1-0-0")
TEST = _published("TestRunFacet", "1-0-1")


def facet(schema: str, **content: Any) -> dict[str, Any]:
    """A facet of that schema; what is None is not known and left out."""
    return {"_producer": PRODUCER, "_schemaURL": schema, **known(**content)}


def known(**content: Any) -> dict[str, Any]:
    """The content without what is None."""
    return {name: value for name, value in content.items() if value is not None}
