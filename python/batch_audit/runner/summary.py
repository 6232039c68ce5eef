"""What a run came to, for people in a few lines and for machines as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {
    "success": "green",
    "error": "red",
    "nothing_selected": "yellow",
    "interrupted": "yellow",
    "incomplete": "bold red",
}


@dataclass(frozen=True)
class Summary:
    """`tally` is None when the store could not be written; `problem` then says why. Times are in seconds."""

    batch_id: str
    command_status: int
    exit_status: int
    duration_s: float
    audit_s: float
    tally: dict[str, Any] | None
    problem: str | None = None
    spool: str | None = None
    left_open: tuple[str, ...] = ()
    report: str | None = None
    notes: tuple[str, ...] = ()
    digest: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """The batch's status; incomplete where its evidence is."""
        complete = self.tally is not None and not self.left_open
        return str(self.tally["status"]) if complete and self.tally else "incomplete"

    def as_json(self) -> dict[str, Any]:
        """The summary as plain values."""
        return asdict(self) | {"status": self.status}


def print_summary(console: Console, summary: Summary) -> None:
    """Print the summary; plain where the console is."""
    from rich.markup import escape

    status = summary.status
    word = "INCOMPLETE" if status == "incomplete" else status.replace("_", " ")
    style = _STYLES.get(status, "")
    console.print(
        f"[bold]batch[/bold] {escape(summary.batch_id)}  [{style}]{word}[/{style}]  {summary.duration_s:.1f} s",
        soft_wrap=True,
    )
    for line in lines(summary):
        console.print("  " + escape(line), soft_wrap=True)


def lines(summary: Summary) -> list[str]:
    """The lines below the first one."""
    tally = summary.tally
    said = []
    if tally is not None:
        if tally.get("reason"):
            said.append(f"why      {tally['reason']}")
        said += [_models(tally), _tests(tally), _records(tally)]
        if tally["rows_unknown"]:
            said.append(
                f"rows     those of {tally['rows_unknown']} failing tests are not known: on-run-end did not read them"
            )
        if tally["not_captured"]:
            said.append(
                f"not captured: {tally['not_captured']} models asked for capture and got none (see the report)"
            )
        if tally["first_block"] is not None:
            said.append(f"blocks   {tally['first_block']} to {tally['last_block']}")
    if summary.digest:
        signed = "signed" if summary.digest["signed_by"] else "NOT SIGNED"
        said.append(f"digest   {summary.digest['sequence']}, {signed}, {summary.digest['file']}")
    if summary.problem:
        said.append(f"why      {summary.problem}")
    if summary.spool:
        said.append(
            f"The evidence waits in {summary.spool}; `batch-audit seal` or the next `batch-audit run` brings it"
            " into the store."
        )
    said += [f"open     {reason}" for reason in summary.left_open]
    if summary.report:
        said.append(f"report   {summary.report}")
    return said + [f"note     {note}" for note in summary.notes]


def _models(tally: dict[str, Any]) -> str:
    return "models   " + _counted(tally, {"ok": "ok", "error": "errors", "skipped": "skipped"}, "none")


def _tests(tally: dict[str, Any]) -> str:
    names = {
        "passed": "tests_passed",
        "failed": "tests_failed",
        "warned": "tests_warned",
        "errored": "tests_errored",
    }
    return "tests    " + _counted(tally, names, "none")


def _records(tally: dict[str, Any]) -> str:
    names = {"inserted": "inserts", "updated": "updates", "deleted": "deletes", "in error": "record_errors"}
    return "records  " + _counted(tally, names, "no changes")


def _counted(tally: dict[str, Any], names: dict[str, str], nothing: str) -> str:
    parts = [f"{tally[column]:,} {word}" for word, column in names.items() if tally[column]]
    return ", ".join(parts) or nothing
