"""A store in a database, with the powers of its administrator."""

from dataclasses import dataclass

from batch_audit.ledger.judge import VerifyResult
from batch_audit.ledger.verify import verify_store
from batch_audit.warehouses import Warehouse


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
