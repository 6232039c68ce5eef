"""OpenLineage run events of a batch: pure builders, and at the edge what reads the store and what sends."""
