"""Print docs/reference/commands.md, made from the help of the commands themselves (`make docs`)."""

import click

from batch_audit.cli import cli

_HEAD = """# Commands

Made by `make docs` from the commands' own help.

JSON goes to stdout with `--format json`, text for people goes to stderr. Settings come from the flag, else from the
variable named with it, else from the default. `NO_COLOR` is honoured.

| exit status | meaning |
|---|---|
| 0 | done, and nothing is wrong |
| 1 | verification failed, or findings; for `run`, dbt's own 1 |
| 2 | wrong usage or configuration, or the warehouse refused; for `run`, dbt's own 2 |
| 4 | the run is fine, but its evidence is incomplete |
| 130 | interrupted |
"""


def section(command: click.Command, context: click.Context) -> str:
    """The help of a command, then of the commands beneath it."""
    text = f"\n## {context.command_path}\n\n```text\n{command.get_help(context).strip()}\n```\n"
    return text + (beneath(command, context) if isinstance(command, click.Group) else "")


def beneath(group: click.Group, context: click.Context) -> str:
    """The sections of a group's commands, in the group's order."""
    text = ""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            text += section(command, click.Context(command, info_name=name, parent=context))
    return text


def reference() -> str:
    """The whole page."""
    settings = cli.context_settings | {"terminal_width": 100, "max_content_width": 100}
    context = click.Context(cli, info_name="batch-audit", **settings)
    return _HEAD + beneath(cli, context)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
