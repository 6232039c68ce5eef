"""Where a record came from and where it went: `batch-audit trace`."""
