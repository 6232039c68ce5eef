"""A synthetic store on the test's database, open for attack."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from batch_audit.ledger.judge import VerifyResult
from batch_audit.ledger.verify import verify_store
from batch_audit.warehouses import Warehouse
from tests.support.project import Project
from tests.support.synthetic_store import SyntheticStore, create_tables
from tests.support.target import Target


@dataclass
class OpenStore:
    """A store in a database, with the powers of its administrator."""

    warehouse: Warehouse

    def attack(self, *statements: str) -> None:
        """Run statements in which `{audit_event}` and the like stand for the store's tables."""
        for statement in statements:
            self.warehouse.execute(self.sql(statement))

    def sql(self, statement: str) -> str:
        """A statement with the store's tables filled in."""
        for name in ("segment", "event", "payload", "record_edge", "column_edge", "block"):
            statement = statement.replace(f"{{audit_{name}}}", self.warehouse.table(f"audit_{name}"))
        return statement

    def verify(self) -> VerifyResult:
        """The result of verifying by SQL, after making sure that Python alone comes to the same one."""
        by_sql, locally = verify_store(self.warehouse), verify_store(self.warehouse, local=True)
        assert by_sql.as_json() == locally.as_json()
        return by_sql


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
