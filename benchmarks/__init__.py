"""Measurements of the audit beside the same work without it, each in one run and in turn: `python -m benchmarks`."""
