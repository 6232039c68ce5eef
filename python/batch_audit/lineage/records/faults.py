"""What a caller sets before it runs traces, because of known faults of an engine."""

# DuckDB 1.5.1 to 2.0.0 take two joins of one relation with itself for equal although other columns of them are read,
# and answer one with the other's rows (common_subplan). 2.0.0 fails with an internal error on a filter above a lateral
# aggregate (projection_pullup). The queries of an answer have many equal parts, and such filters.
# A version that does not have an optimizer refuses the statement that names it: run what it takes. A setting of the
# user's own is replaced: put it back afterwards.
DUCKDB_SETTINGS = (
    "set disabled_optimizers = 'common_subplan'",
    "set disabled_optimizers = 'common_subplan,projection_pullup'",
)
