"""Answers about column lineage for people: what is above and below a column, and what a change of code touches."""
