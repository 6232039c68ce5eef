"""What happened to records: their versions, the net change between two batches, and relations as they stood."""
