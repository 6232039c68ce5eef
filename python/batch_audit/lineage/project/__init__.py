"""The columns of a dbt project and how they depend on each other: from a manifest, without running dbt."""

from batch_audit.lineage.project.cache import Cache
from batch_audit.lineage.project.graph import ProjectGraph, Step
from batch_audit.lineage.project.lineage import NodeLineage, ProjectEdge, read_lineage
from batch_audit.lineage.project.manifest import Node, Project, read_project
from batch_audit.lineage.project.pool import Pool
from batch_audit.lineage.project.run_values import RunValues

__all__ = [
    "Cache", "Node", "NodeLineage", "Pool", "Project", "ProjectEdge", "ProjectGraph", "RunValues", "Step",
    "read_lineage", "read_project",
]  # fmt: skip
