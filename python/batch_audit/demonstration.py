"""The demo: copies the orders pipeline into a folder and audits two batches with the public commands.

Every step is a command that a user could type, and every figure is read from the report models.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_audit.errors import BatchAuditError, ConfigurationError
from batch_audit.package import demo_dir

MARKER = ".batch-audit-demo"
MARKER_TEXT = "Written by `batch-audit demo`, which may replace what it wrote here.\n"
LOG = "demo.log"
# What the steps leave behind; a new demo starts without it. Everything else in the folder is the user's.
GENERATED = (
    ".batch_audit",
    "audit_packages",
    "dbt_packages",
    "logs",
    "target",
    "package-lock.yml",
    "packages.yml",
    "warehouse.duckdb",
    "warehouse.duckdb.wal",
    LOG,
)
AUDIT = (sys.executable, "-m", "batch_audit")
FIRST_DROP, SECOND_DROP = "2026-01-01", "2026-01-02"


@dataclass(frozen=True)
class Step:
    """One command of the demo; `accepted` are the exit statuses with which the story goes on."""

    title: str
    command: Sequence[str]
    accepted: Sequence[int] = (0,)

    def __str__(self) -> str:
        """The command as a user would type it."""
        ours = tuple(self.command[: len(AUDIT)]) == AUDIT
        words = ["batch-audit", *self.command[len(AUDIT) :]] if ours else self.command
        return " ".join("python" if word == sys.executable else word for word in words)


def steps() -> tuple[Step, ...]:
    """The demo from an ordinary dbt project to a verified trail.

    The second batch must end with dbt's own exit status 1, because a data test fails in it.
    """
    build = (*AUDIT, "run", "--job", "orders", "--", "dbt", "build")
    return (
        Step("Set up the audit in a dbt project", (*AUDIT, "init")),
        Step(f"Load the drop of {FIRST_DROP}", (sys.executable, "load_drop.py", FIRST_DROP)),
        Step("Batch 1", build),
        Step(f"Load the drop of {SECOND_DROP}", (sys.executable, "load_drop.py", SECOND_DROP)),
        Step("Batch 2", build, accepted=(1,)),
        Step("Verify the store", (*AUDIT, "verify")),
    )


def prepare_folder(folder: Path, *, force: bool = False) -> None:
    """Put a fresh copy of the demo project into `folder`, over an earlier one if there is one.

    Raises ConfigurationError if the folder holds something else and `force` is not set; `force` removes nothing,
    it only writes the project's files over those of the same name.
    """
    earlier = (folder / MARKER).is_file()
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder}: cannot write the demo, this is a file.\n  Name another folder.")
    if folder.is_dir() and any(folder.iterdir()) and not earlier and not force:
        raise ConfigurationError(
            f"{folder}: cannot write the demo, the folder is not empty and holds no earlier demo.\n"
            "  Name another folder, or use --force to write the demo's files over those of the same name."
        )
    if earlier:
        remove_generated(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(MARKER_TEXT, encoding="utf-8")
    left_out = shutil.ignore_patterns("__pycache__", *GENERATED)
    shutil.copytree(demo_dir(), folder, dirs_exist_ok=True, ignore=left_out)


def remove_generated(folder: Path) -> None:
    """Remove what an earlier demo's steps left behind in its folder."""
    for name in GENERATED:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def run_steps(folder: Path, started: Callable[[Step], None], ended: Callable[[Step, float], None]) -> None:
    """Run every step in `folder`; `ended` gets the seconds that a step took.

    Raises BatchAuditError with the end of the log if a step ends with a status that the demo does not expect.
    """
    for step in steps():
        started(step)
        begin = time.monotonic()
        run_step(folder, step)
        ended(step, time.monotonic() - begin)


def run_step(folder: Path, step: Step) -> None:
    """Run one command with its output appended to the log; raises BatchAuditError for an unexpected status."""
    file = folder / LOG
    with file.open("a", encoding="utf-8") as log:
        log.write(f"\n$ {step}\n")
        log.flush()
        status = subprocess.run(  # noqa: S603  the commands are the constants above
            step.command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        ).returncode
    if status not in step.accepted:
        wanted = " or ".join(map(str, step.accepted))
        raise BatchAuditError(
            f"{step.title}: `{step}` ended with exit status {status}, not {wanted}.\n"
            f"  The end of {file}:\n{last_lines(file)}"
        )


def environment() -> dict[str, str]:
    """The caller's environment without settings that lead elsewhere, and with this installation's dbt first."""
    elsewhere = ("DBT_", "BATCH_AUDIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
    kept["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    return kept | {"NO_COLOR": "1", "DBT_USE_COLORS": "false", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def last_lines(file: Path, count: int = 30) -> str:
    """The last lines of a text file, indented."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines)


Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the demo left behind, as rows of the report models.

    `batches` are in the order in which they ran, the rest is about the last one: `changes` has a row per captured
    model, `rejected` a row per reason, `failures` a row per failing record, `sealed` counts the whole store.
    """

    folder: Path
    batches: list[Row]
    changes: list[Row]
    rejected: list[Row]
    failures: list[Row]
    sealed: Row
    reports: list[Path]


_QUERIES = {
    "changes": """
        select node_name, row_count, records_inserted, records_updated, records_deleted
        from {rpt_batch_nodes}
        where batch_id = {batch} and capture_mode = 'changes'
        order by node_name
    """,
    "rejected": """
        select cast(new_values as json) ->> 'reject_reason' as reason, count(*) as records
        from {rpt_record_changes}
        where batch_id = {batch} and node_name = 'rejected_orders' and change_type = 'insert'
        group by 1
        order by 2 desc, 1
    """,
    "failures": """
        select results.test_name, results.node_name, results.column_name, results.failures, errors.record_id
        from {rpt_validation_results} as results
        left join
            {rpt_record_errors} as errors
            on results.batch_id = errors.batch_id and results.test_id = errors.test_id
        where results.batch_id = {batch} and not results.passed
        order by results.test_name, errors.record_id
    """,
    "sealed": """
        select count(*) as blocks, cast(sum(leaf_count) as bigint) as records from {stg_audit_blocks}
    """,
}
_VIEWS = (
    "rpt_batch_summary",
    "rpt_batch_nodes",
    "rpt_record_changes",
    "rpt_record_errors",
    "rpt_validation_results",
    "stg_audit_blocks",
)


def read_outcome(folder: Path) -> Outcome:
    """Read from the report models of the demo in `folder` what its last batch did."""
    from batch_audit.settings import Settings
    from batch_audit.warehouses import open_warehouse

    warehouse = open_warehouse(
        Settings(project_dir=folder, profiles_dir=folder, state_dir=folder / ".batch_audit")
    )
    try:
        names = {view: warehouse.table(view) for view in _VIEWS}
        batches = warehouse.query("select * from {rpt_batch_summary} order by started_at".format(**names))
        names["batch"] = warehouse.literal(batches[-1]["batch_id"])
        rows = {what: warehouse.query(sql.format(**names)) for what, sql in _QUERIES.items()}
    finally:
        warehouse.close()
    # A report's name begins with the time of its batch.
    reports = sorted((folder / ".batch_audit" / "reports").glob("*.html"))
    return Outcome(
        folder, batches, rows["changes"], rows["rejected"], rows["failures"], rows["sealed"][0], reports
    )
