"""What a caller sets before it runs traces, because of known faults of an engine."""

# DuckDB 1.5.1 to 2.0.0 take two joins of one relation with itself for equal although other columns of them are read,
# and answer one with the other's rows. The queries of an answer have many equal parts. Older versions, without this
# optimizer, refuse the setting: leave it out there. A setting of the user's own is replaced: put it back afterwards.
DUCKDB_SETTINGS = ("set disabled_optimizers = 'common_subplan'",)
