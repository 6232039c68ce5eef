"""The command line: a group whose commands are imported only when they run, and the options they share."""

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import click

import batch_audit
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

P = ParamSpec("P")
R = TypeVar("R")


class _Lazy(NamedTuple):
    module: str
    help: str


# The one-line help stands here so that `batch-audit --help` imports no command.
COMMANDS: Mapping[str, _Lazy] = {
    "init": _Lazy("batch_audit.cli.init", "Set up auditing in a dbt project."),
    "doctor": _Lazy("batch_audit.cli.doctor", "Say what is wrong with the set-up and how to mend it."),
    "demo": _Lazy("batch_audit.cli.demo", "Make a small audited project, verify it and write its reports."),
    "run": _Lazy("batch_audit.cli.run", "Run a batch: dbt, or a script with several dbt calls."),
    "seal": _Lazy("batch_audit.cli.seal", "Close and seal what a batch left open."),
    "verify": _Lazy("batch_audit.cli.verify", "Prove that nobody altered the store, or name what is wrong."),
    "digest": _Lazy("batch_audit.cli.digest", "Write a signed digest to keep outside the warehouse."),
    "keys": _Lazy("batch_audit.cli.keys", "Make the key that signs digests."),
    "prove": _Lazy("batch_audit.cli.prove", "Write a proof that an event is in the store."),
    "verify-proof": _Lazy("batch_audit.cli.verify_proof", "Check such a proof, without the warehouse."),
    "harden": _Lazy("batch_audit.cli.harden", "Make the store append-only for everybody (PostgreSQL)."),
    "status": _Lazy("batch_audit.cli.status", "Show batches, unsealed rows and the store's size."),
    "history": _Lazy("batch_audit.cli.history", "Show every version of a record."),
    "diff": _Lazy("batch_audit.cli.diff", "Show the net change of a relation between two batches."),
    "as-of": _Lazy("batch_audit.cli.as_of", "Write a relation as it stood after a batch or at a time."),
    "reconcile": _Lazy("batch_audit.cli.reconcile", "Say whether a relation is as its last capture left it."),
    "backfill": _Lazy("batch_audit.cli.backfill", "Record what snapshots tell of the time before capture."),
    "openlineage": _Lazy("batch_audit.cli.openlineage", "Write a batch as OpenLineage run events."),
    "lineage": _Lazy("batch_audit.cli.lineage", "Show where columns come from, and what a change touches."),
    "trace": _Lazy("batch_audit.cli.trace", "Show which records a record came from, or went into."),
    "report": _Lazy("batch_audit.cli.report", "Render reports from the store."),
}


class LazyGroup(click.Group):
    """A group that imports the module of a command when the command is needed, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name].module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name].module}.command is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(batch_audit.__version__, prog_name="batch-audit")
def cli() -> None:
    """The audit trail of a dbt warehouse: what ran, who ran it, which records changed, and proof of it."""


_PATH = click.Path(file_okay=False)
_OPTIONS = (
    click.option("--project-dir", type=_PATH, help="Folder of dbt_project.yml. [env: DBT_PROJECT_DIR]"),
    click.option("--profiles-dir", type=_PATH, help="Folder of profiles.yml. [env: DBT_PROFILES_DIR]"),
    click.option("--profile", help="Profile to use instead of the project's. [env: DBT_PROFILE]"),
    click.option("-t", "--target", help="Target of the profile. [env: DBT_TARGET]"),
    click.option("--vars", help="dbt variables as YAML. [env: BATCH_AUDIT_VARS]"),
    click.option("--audit-schema", help="Schema of the audit store. [env: BATCH_AUDIT_SCHEMA]"),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only. [env: BATCH_AUDIT_QUIET]"),
)
_NAMES = ("project_dir", "profiles_dir", "profile", "target", "vars", "audit_schema", "format", "quiet")


def common_options(function: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Add the options that every command shares and pass them as one Settings object, the first argument."""
    return _with_options(function, ("text", "json"), "json goes to stdout.")


def page_options(function: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Like `common_options`, for a command that also writes a page."""
    return _with_options(
        function, ("text", "json", "html"), "json goes to stdout; html is a page, see --out."
    )


def lineage_options(*formats: str) -> Callable[[Callable[Concatenate[Settings, P], R]], Callable[P, R]]:
    """Like `common_options`, for a command whose answer goes to stdout in every format."""

    def decorate(function: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
        return _with_options(function, formats, "Default: tree.")

    return decorate


def _with_options(
    function: Callable[Concatenate[Settings, P], R], formats: Sequence[str], said: str
) -> Callable[P, R]:
    @functools.wraps(function)
    def with_settings(*args: P.args, **kwargs: P.kwargs) -> R:
        options: dict[str, Any] = {name: kwargs.pop(name) for name in _NAMES}
        return function(Settings.from_options(formats=formats, **options), *args, **kwargs)

    shared = [*_OPTIONS]
    shared[-1:-1] = [
        click.option("--format", type=click.Choice(formats), help=f"{said} [env: BATCH_AUDIT_FORMAT]")
    ]
    wrapped: Any = with_settings
    for option in reversed(shared):
        wrapped = option(wrapped)
    decorated: Callable[P, R] = wrapped
    return decorated


def people(settings: Settings) -> "Console":
    """A console for people, on stderr; silent with --quiet, plain with NO_COLOR or without a terminal."""
    from rich.console import Console

    return Console(stderr=True, quiet=settings.quiet, highlight=False)


@contextmanager
def busy(console: "Console", what: str) -> Iterator[None]:
    """Show that something takes time: a spinner on a terminal, one line elsewhere."""
    with console.status(what):
        if not console.is_terminal:
            console.print(f"{what} …", markup=False)
        yield


def as_text(value: Any) -> str:
    """`value` as JSON for machines, ending with a line break."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n"


def machines(value: Any) -> None:
    """Print `value` as JSON on stdout."""
    click.echo(as_text(value), nl=False)
