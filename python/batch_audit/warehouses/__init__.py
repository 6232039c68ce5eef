"""Warehouses: the only place in Python that knows how engines differ."""

from batch_audit.warehouses.base import Warehouse
from batch_audit.warehouses.connect import open_warehouse, preload

__all__ = ["Warehouse", "open_warehouse", "preload"]
