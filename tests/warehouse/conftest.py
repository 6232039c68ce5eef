"""A synthetic store on the test's database, open for attack."""

from collections.abc import Callable, Iterator

import pytest

from batch_audit.warehouses import Warehouse
from tests.support.open_store import OpenStore
from tests.support.project import Project
from tests.support.synthetic_store import SyntheticStore, create_tables
from tests.support.target import Target


@pytest.fixture
def open_store(
    make_project: Callable[..., Project], warehouse_target: Target
) -> Iterator[Callable[[SyntheticStore], OpenStore]]:
    """Writes a synthetic store into the test's database and opens it; it has no constraints."""
    opened: list[Warehouse] = []

    def write(store: SyntheticStore) -> OpenStore:
        create_tables(warehouse_target)
        opened.append(make_project(installed=False, hook=False).warehouse())
        store.write(opened[0])
        return OpenStore(opened[0])

    yield write
    for warehouse in opened:
        warehouse.close()
