"""`batch-audit doctor`: say what is wrong with the set-up and how to mend it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from batch_audit.cli import common_options, machines, people
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from rich.text import Text

    from batch_audit.setup.findings import Finding, Verdict

_STYLES: dict["Verdict", str] = {"ok": "green", "warn": "yellow", "fail": "bold red", "not checked": "cyan"}
_WORDS: dict["Verdict", str] = {
    "ok": "ok",
    "warn": "warned",
    "fail": "failed",
    "not checked": "not checked",
}
_INDENT = 13
# A project may have hundreds of models whose key is fine; JSON has them all.
_MOST_OK = 10


@click.command()
@common_options
def command(settings: Settings) -> None:
    """Say what is wrong with the set-up and how to mend it.

    Looks at the project's files, at what dbt makes of them, and at the warehouse; changes nothing.
    Exit status: 0 when nothing fails (there may be warnings), 1 when something does, 2 without a project.
    """
    from batch_audit.setup.checks import run_checks
    from batch_audit.setup.context import make_context

    console = people(settings)
    with console.status("Parsing the project and connecting"):
        context = make_context(settings)
        try:
            findings = run_checks(context)
        finally:
            context.close()
    counts = Counter(finding.verdict for finding in findings)
    if settings.format == "json":
        machines(
            {
                "project_dir": settings.project_dir,
                "counts": {verdict: counts[verdict] for verdict in _WORDS},
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        # --quiet asks for errors only, and a failure is one.
        shown = [finding for finding in findings if finding.verdict == "fail"] if settings.quiet else findings
        for line in _lines(shown):
            people(replace(settings, quiet=False)).print(line, soft_wrap=True)
    summary = ", ".join(f"{counts[verdict]} {word}" for verdict, word in _WORDS.items() if counts[verdict])
    console.print(f"{settings.project_dir}: {summary}", markup=False, soft_wrap=True)
    if counts["fail"]:
        raise click.exceptions.Exit(1)


def _lines(findings: Sequence["Finding"]) -> list["Text"]:
    """The findings as lines for a terminal: verdict, object and reason, below it what to do."""
    from rich.text import Text

    lines = []
    seen: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        seen[finding.check, finding.verdict] += 1
        if finding.verdict == "ok" and seen[finding.check, "ok"] > _MOST_OK:
            continue
        verdict = f"{finding.verdict:<{_INDENT}}"
        why = finding.why.replace("\n", "\n" + " " * _INDENT)
        lines.append(Text.assemble((verdict, _STYLES[finding.verdict]), (finding.object, "bold"), f": {why}"))
        if finding.remedy:
            lines.append(Text(f"{' ' * _INDENT}→ {finding.remedy}"))
    more = {check: count - _MOST_OK for (check, verdict), count in seen.items() if verdict == "ok"}
    for check, count in more.items():
        if count > 0:
            lines.append(Text.assemble((f"{'ok':<{_INDENT}}", _STYLES["ok"]), f"{check}: {count} more"))
    return lines
