"""`batch-audit harden`: make the store append-only for everybody, and give each their own rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import ConfigurationError, StoreMissingError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.warehouses.postgres_roles import Facts, Roles, Step

KINDS = ("owner", "writer", "reader", "privacy")


@click.command()
@click.option("--dry-run", is_flag=True, help="Show the SQL and run nothing.")
@click.option(
    "--role-prefix",
    metavar="NAME",
    help="How the roles' names begin. [default: the database and the audit schema]",
)
@click.option(
    "--writer", "writers", multiple=True, metavar="USER", help="A user who runs batches; repeat it."
)
@click.option("--reader", "readers", multiple=True, metavar="USER", help="A user of reports; repeat it.")
@click.option("--privacy", "officers", multiple=True, metavar="USER", help="Who may erase values; repeat it.")
@common_options
def command(
    settings: Settings, *, dry_run: bool, role_prefix: str | None, writers: tuple[str, ...],
    readers: tuple[str, ...], officers: tuple[str, ...],
) -> None:  # fmt: skip
    """Make the store append-only for everybody (PostgreSQL).

    Creates roles: an owner that nobody logs in as, a writer that may only add rows, a reader that sees the reports
    which show no values, and a privacy officer who may also erase values through one function. Triggers refuse UPDATE,
    DELETE and TRUNCATE of the store's tables, whoever asks, and DROP where the user is a superuser. All in one
    transaction; running it again is fine.

    Use a user who administers the database (--target), not the one who runs batches. docs/trust.md says what it does
    not protect from.
    """
    from batch_audit.warehouses import open_warehouse
    from batch_audit.warehouses.postgres_catalog import read_facts
    from batch_audit.warehouses.postgres_roles import Members, Roles, harden_steps

    warehouse = open_warehouse(settings)
    try:
        if warehouse.engine != "postgres":
            raise ConfigurationError(
                f"{warehouse.engine} has no roles: whoever can write the file can change what is in it.\n"
                "  Let its permissions keep others out, and keep digests elsewhere: batch-audit digest."
            )
        if not warehouse.store_exists():
            raise StoreMissingError(
                f"There is no audit store in {warehouse.database}.{warehouse.audit_schema}.\n"
                "  `batch-audit init`, or a first audited batch, makes it."
            )
        roles = Roles(role_prefix or f"{warehouse.database}_{warehouse.audit_schema}")
        facts = read_facts(warehouse, roles)
        steps = harden_steps(facts, roles, Members(writers, readers, officers))
        if not dry_run:
            with warehouse.transaction():
                for step in steps:
                    warehouse.execute(";\n".join(step.statements))
    finally:
        warehouse.close()
    _told(settings, roles, facts, steps, dry_run)
    if settings.format == "text" and not dry_run:
        for line in _next(roles, facts, writers):
            people(settings).print(line, markup=False, soft_wrap=True)


def _told(settings: Settings, roles: Roles, facts: Facts, steps: Sequence[Step], dry_run: bool) -> None:
    """What was done, or with a dry run the SQL on stdout."""
    if settings.format == "json":
        names = {kind: getattr(roles, kind) for kind in KINDS}
        told = [{"why": step.why, "statements": list(step.statements)} for step in steps]
        machines({"dry_run": dry_run, "superuser": facts.superuser, "roles": names, "steps": told})
    elif dry_run:
        click.echo("\n\n".join(f"-- {one.why}\n" + ";\n".join(one.statements) + ";" for one in steps))
    else:
        for step in steps:
            people(settings).print(f"done  {step.why}", markup=False, soft_wrap=True)


def _next(roles: Roles, facts: Facts, writers: Sequence[str]) -> Iterator[str]:
    if facts.user in writers or not writers:
        yield f'next  let the user who runs batches write: --writer USER, or `grant "{roles.writer}" to …`'
    if not facts.superuser:
        yield "note  dropping tables is not refused: that takes a superuser"
