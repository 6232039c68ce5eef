"""`batch-audit run` on a small project, and what it left in the store and in the spool."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.project import Project

FILES = {
    "models/orders.sql": "select 1 as order_id, 'paid' as status",
    "models/revenue.sql": "select count(*) as n from {{ ref('orders') }}",
    "models/orders.yml": """
version: 2
models:
  - name: orders
    config: {materialized: table, meta: {audit_capture: changes}}
    columns:
      - name: order_id
        data_tests: [unique, not_null]
""",
}
SLOW = {
    "duckdb": "select count(*) as n from range(2000000) as a, range(1000000) as b where (a.range * b.range) % 7 = 3",
    "postgres": "select pg_sleep(120)::text as n",
}


def run(
    project: Project, *command: str, before: Sequence[str] = (), **options: Any
) -> tuple[int, dict[str, Any]]:
    """The exit status and the summary of one `batch-audit run`; `before` are more options of it."""
    summary = project.root / "summary.json"
    summary.unlink(missing_ok=True)
    done = project.batch_audit(
        "run", "--no-report", "--summary-file", str(summary), *before, "--", *command, check=False, **options
    )
    return done.returncode, json.loads(summary.read_text(encoding="utf-8"))


def events(project: Project, batch_id: str) -> list[dict[str, Any]]:
    """The batch's events in the order in which they were written."""
    return project.audit(
        "select e.*, s.writer from {audit}.audit_event as e join {audit}.audit_segment as s on s.segment = e.segment"
        f" where e.batch_id = '{batch_id}' order by s.opened_at, e.segment, e.part desc, e.seq"
    )


def ends(project: Project, batch_id: str) -> list[dict[str, Any]]:
    """The metadata of the batch's ends, with the message and the writer."""
    return [
        json.loads(event["metadata"]) | {"error_message": event["error_message"], "writer": event["writer"]}
        for event in events(project, batch_id)
        if event["event_type"] == "batch_end"
    ]


def spooled(project: Project) -> list[Path]:
    return list((project.root / ".batch_audit" / "spool").glob("*.json"))


def assert_proved(project: Project) -> None:
    """Everything is sealed and nothing waits."""
    done = project.batch_audit("verify")
    assert done.returncode == 0
    unsealed = project.audit(
        "select segment from {audit}.audit_segment where segment not in (select segment from {audit}.audit_block)"
    )
    assert unsealed == []
    assert spooled(project) == []


def start(project: Project, *command: str) -> "subprocess.Popen[bytes]":
    """A command in a process group of its own."""
    return subprocess.Popen(
        command, cwd=project.root, env=project.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def start_run(project: Project) -> "subprocess.Popen[bytes]":
    """`batch-audit run -- dbt build`."""
    return start(project, sys.executable, "-m", "batch_audit", "run", "--no-report", "--", "dbt", "build")


def start_slow(project: Project) -> "subprocess.Popen[bytes]":
    """A run in a process group of its own, returned once dbt executes the slow model."""
    log = project.root / "logs" / "dbt.log"
    offset = log.stat().st_size if log.exists() else 0
    process = start_run(project)
    wait_until(
        lambda: log.exists() and b"Began executing node model.shop.slow" in log.read_bytes()[offset:], process
    )
    time.sleep(1)
    return process


def wait_until(seen: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait until something is seen while a process works; fails with its errors when it ends before."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if seen():
            return
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"it never came to that: {process.communicate()[1]!r}")


def kill(*pids: int) -> None:
    """Kill processes at once, so that none sees another one end, and wait until they have let go of their files."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(list(Path("/proc").glob(f"{pid}/fd/*")) for pid in pids):
        time.sleep(0.05)


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()[0])


def newest_batch(project: Project) -> str:
    rows = project.audit("select batch_id from {audit}.audit_segment order by opened_at desc limit 1")
    return str(rows[0]["batch_id"])
