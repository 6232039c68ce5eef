"""Proofs that one event is in the store, which anybody can check without the store (docs/reference/proofs.md)."""
