"""Reports: what the report models say, for people (HTML) and for machines (JSON). Findings are made by the models."""
