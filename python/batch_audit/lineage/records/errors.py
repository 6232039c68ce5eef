"""Why a query is not traced, and what a caller did wrong."""

from batch_audit.errors import BatchAuditError


class BadArgument(BatchAuditError):
    """An argument of `provenance_query` cannot be used: an unknown dialect, a key that is no column, a bad `where`."""


class Untraceable(Exception):
    """This shape of SQL is not traced: the answer is `unknown`, with this reason."""
