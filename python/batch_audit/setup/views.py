"""Builds the package's views: with a person looking on for `init`, quietly after a batch for `run`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from batch_audit.errors import BatchAuditError, ConfigurationError, WarehouseError
from batch_audit.settings import Settings
from batch_audit.setup.dbt_command import DbtResult, build_views_command, run_dbt
from batch_audit.warehouses.base import Warehouse

if TYPE_CHECKING:
    from rich.console import Console


def install_and_build(settings: Settings, console: Console) -> None:
    """Run `dbt deps`, then build the package's views, with the last line of dbt's output as progress.

    Raises ConfigurationError, with dbt's own words and the way on, when one of them fails.
    """
    _run(settings, console, "Installing the package", ["deps"])
    _run(settings, console, "Building the package's views", build_views_command(settings))


def build_views(settings: Settings, month: str) -> str | None:
    """Build the views without a word; None if that went well, else what went wrong.

    dbt also makes sure that the store's tables and the month's partitions exist.
    """
    try:
        with _environment(month):
            result = run_dbt(settings, build_views_command(settings))
    except BatchAuditError as error:
        return str(error)
    return None if result.status == 0 else result.message(4)


def views_are_current(settings: Settings) -> bool:
    """Whether the package's views exist in the warehouse in this version; False when nobody can say."""
    from batch_audit.warehouses import open_warehouse

    try:
        warehouse = open_warehouse(settings)
    except BatchAuditError:
        return False
    try:
        return built_version(warehouse) == this_version()
    finally:
        warehouse.close()


def built_version(warehouse: Warehouse) -> str | None:
    """The package version of the views in the warehouse, None when they are not built or cannot be read."""
    try:
        rows = warehouse.query(f"select package_version from {warehouse.table('rpt_package')}")
    except WarehouseError:
        return None
    return str(rows[0]["package_version"]) if rows else None


def this_version() -> str:
    """The version of this command and of the dbt package inside it."""
    import batch_audit

    return batch_audit.__version__


def _run(settings: Settings, console: Console, what: str, command: list[str]) -> DbtResult:
    from rich.markup import escape

    with console.status(what) as status:
        if not console.is_terminal:
            console.print(f"{what} …", markup=False)
        result = run_dbt(
            settings, command, lambda line: status.update(f"{what}: {escape(line[: console.width - 40])}")
        )
    if result.status != 0:
        raise ConfigurationError(
            f"{what} failed: `{result.shown()}` ended with status {result.status} and said:\n\n"
            f"{result.message()}\n\n"
            "  The files of the project are changed and stay so. Correct what dbt complains about and run\n"
            "  `batch-audit init` again: it goes on from here. `batch-audit doctor` checks the whole set-up."
        )
    return result


@contextmanager
def _environment(month: str) -> Iterator[None]:
    """dbt's environment for this one call: the month whose tables must exist, and no batch."""
    from batch_audit.runner.environment import BATCH_ID, BATCH_MONTH, CONTEXT

    before = {name: os.environ.get(name) for name in (BATCH_ID, BATCH_MONTH, CONTEXT)}
    for name in before:
        os.environ.pop(name, None)
    os.environ[BATCH_MONTH] = month
    try:
        yield
    finally:
        os.environ.pop(BATCH_MONTH, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
