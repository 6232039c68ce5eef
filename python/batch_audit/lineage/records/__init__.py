"""Which rows a row came from: a query rewritten so that its rows carry the keys of their input rows."""

from batch_audit.lineage.records.errors import BadArgument
from batch_audit.lineage.records.faults import DUCKDB_SETTINGS
from batch_audit.lineage.records.provenance import provenance_query
from batch_audit.lineage.records.result import Filter, ProvenanceQuery, Source

__all__ = ["DUCKDB_SETTINGS", "BadArgument", "Filter", "ProvenanceQuery", "Source", "provenance_query"]
