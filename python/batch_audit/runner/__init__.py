"""Runs a batch: the user's own command, untouched, and whatever dbt's hooks could not write about it."""
