"""`batch-audit init`: set up auditing in a dbt project."""

from typing import TYPE_CHECKING, Any

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.errors import ConfigurationError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.setup.plan import Plan


@click.command()
@common_options
@click.option(
    "--dry-run", is_flag=True, help="Show what would change as a unified diff on stdout, and change nothing."
)
@click.option(
    "--no-build", is_flag=True, help="Change the files only: run neither `dbt deps` nor the package's views."
)
@click.option(
    "--snapshot", "snapshots", multiple=True, metavar="MODEL",
    help="Also write the YAML of a dbt snapshot of this model, whose versions are captured.",
)  # fmt: skip
def command(settings: Settings, dry_run: bool, no_build: bool, snapshots: tuple[str, ...]) -> None:
    """Set up auditing in a dbt project.

    Copies the dbt package to audit_packages/batch_audit, lists it in packages.yml, adds the capture hook and the
    package's place in `dispatch` to dbt_project.yml and the command's state folder to .gitignore; then runs
    `dbt deps` and builds the package's views. Run it again after an upgrade: it changes only what differs.
    """
    from batch_audit.package import package_dir
    from batch_audit.setup.apply import apply_plan
    from batch_audit.setup.plan import make_plan, unified_diff
    from batch_audit.setup.views import install_and_build, views_are_current

    console = people(settings)
    plan = make_plan(settings.project_dir, package_dir())
    outcome: dict[str, Any] = {
        "project_dir": settings.project_dir,
        "changes": plan.summary(),
        "dry_run": dry_run,
        "built": False,
    }
    for line in plan.summary():
        console.print(("would " if dry_run else "") + line, markup=False, soft_wrap=True)
    if dry_run:
        outcome["diff"] = unified_diff(plan)
        if settings.format == "text":
            click.echo(outcome["diff"], nl=False)
    else:
        apply_plan(plan)
        if not no_build and (plan or not views_are_current(settings)):
            install_and_build(settings, console)
            outcome["built"] = True
        console.print(_next_step(plan, outcome["built"]), markup=False, soft_wrap=True)
    if snapshots:
        outcome["snapshots"] = _write_snapshots(settings, snapshots, dry_run)
        for path in outcome["snapshots"]:
            console.print(f"{'would create' if dry_run else 'create'} {path}", markup=False, soft_wrap=True)
    if settings.format == "json":
        machines(outcome)


def _write_snapshots(settings: Settings, models: tuple[str, ...], dry_run: bool) -> list[str]:
    """Write a snapshot's file for each model, all or none; their paths."""
    from batch_audit.setup.context import make_context
    from batch_audit.setup.snapshots import snapshot_file

    context = make_context(settings)
    try:
        if problem := context.problems.get("manifest"):
            raise ConfigurationError(f"The snapshots cannot be written: {problem}")
        files = [snapshot_file(context, model) for model in models]
    finally:
        context.close()
    for path, text in files if not dry_run else ():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [str(path) for path, _ in files]


def _next_step(plan: "Plan", built: bool) -> str:
    """What a person does after the set-up."""
    if not plan and not built:
        return "Nothing to do: the project is set up."
    install = "" if built else "  dbt deps                              install the package\n"
    return (
        "Next:\n"
        f"{install}"
        "  batch-audit doctor                    check the set-up\n"
        "  batch-audit run -- dbt build          run an audited batch\n"
        "To record which rows of a model change, give it a line of meta:\n"
        "  config: {meta: {audit_capture: changes}}"
    )
