"""`batch-audit lineage`: a group in which `lineage MODEL` is short for `lineage of MODEL`."""

from __future__ import annotations

import click

from batch_audit.cli.lineage.impact import impact
from batch_audit.cli.lineage.of import of
from batch_audit.cli.lineage.sql import sql

_HELP = ("-h", "--help")


class _OfByDefault(click.Group):
    """What is no command of the group is a model, or an option of `of`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *_HELP):
            args = ["of", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_OfByDefault)
def command() -> None:
    """Show where columns come from, and what a change touches.

    `batch-audit lineage MODEL[.COLUMN]` is short for `batch-audit lineage of MODEL[.COLUMN]`; only a model that is
    called of, sql or impact needs the long form.
    """


for _command in (of, sql, impact):
    command.add_command(_command)
