"""Which columns a column comes from: a pure library over SQL text, without a database and without a project."""

from batch_audit.lineage.engine import column_lineage
from batch_audit.lineage.result import ColumnLineage, Edge, Unknown
from batch_audit.lineage.schema import Schema

__all__ = ["ColumnLineage", "Edge", "Schema", "Unknown", "column_lineage"]
