"""PostgreSQL: how a session is set up, and what becomes of the driver's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from batch_audit.errors import WarehouseError


def prepared(handle: Any) -> Any:
    """A connection in autocommit, in UTF-8, whose statements each see what was committed before them.

    The seal reads after it waited for a lock; under a stricter isolation level it would read the past.
    """
    from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

    handle.commit()  # the adapter may have opened a transaction for `set role`
    handle.set_client_encoding("UTF8")
    handle.set_session(isolation_level=ISOLATION_LEVEL_READ_COMMITTED, autocommit=True)
    return handle


@contextmanager
def errors(sql: str) -> Iterator[None]:
    """Turn the driver's errors into WarehouseError, with the start of the statement."""
    import psycopg2

    try:
        yield
    except psycopg2.Error as error:
        raise WarehouseError(
            f"Postgres refused a statement: {str(error).strip()}\n  statement: {sql[:300]}"
        ) from error
    except UnicodeEncodeError as error:
        raise WarehouseError(
            f"A value cannot be stored in Postgres: {error}\n  statement: {sql[:300]}"
        ) from error
