"""Commands as whole processes, timed from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import Project

DBT = [str(Path(sys.executable).parent / "dbt"), "--no-version-check"]
BATCH_AUDIT = [sys.executable, "-m", "batch_audit"]


@dataclass(frozen=True)
class Timing:
    """Seconds of one process: `wall`, and `cpu` (user and system, of it and the children that it waited for)."""

    wall: float
    cpu: float


def timed(project: Project, command: list[str], env: Mapping[str, str] | None = None) -> Timing:
    """Run a command in the project's folder, its output to a file.

    Raises RuntimeError with the end of the output when the command fails.
    """
    output = project.root.parent / f"{project.root.name}.out"
    with output.open("wb") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=project.root, env=project.environment(env), stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
        # wait4 alone tells the CPU time of this one child.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = output.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}:\n{tail}")
    return Timing(wall, usage.ru_utime + usage.ru_stime)
