"""Digests: signed statements of a chain's head that are kept outside the warehouse, and the witness of them."""
