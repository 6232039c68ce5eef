"""Processes that read SQL, one task each at a time; one that dies costs its task, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO

from batch_audit.lineage.project.task import Answer, Task
from batch_audit.runner.environment import PREFIX

SECONDS = 30.0
"""CPU time that one model may take before it is given up."""


class Pool:
    """`size` processes, started when they are first needed; `niceness` as in nice(1)."""

    def __init__(self, size: int = 1, *, seconds: float = SECONDS, niceness: int = 0) -> None:
        self._seconds, self._niceness = seconds, niceness
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._all = [_Worker(seconds, niceness) for _ in range(size)]
        for worker in self._all:
            self._free.put(worker)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, tasks: Sequence[Task]) -> list[Answer]:
        """The answers in the order of the tasks."""
        if len(tasks) <= 1 or len(self._all) == 1:
            return [self._one(task) for task in tasks]
        with ThreadPoolExecutor(len(self._all)) as threads:
            return list(threads.map(self._one, tasks))

    def _one(self, task: Task) -> Answer:
        worker = self._free.get()
        try:
            return worker.read(task)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End the processes, also one that is still at work."""
        for worker in self._all:
            worker.end()


class _Worker:
    """One process, and a new one after it died."""

    def __init__(self, seconds: float, niceness: int) -> None:
        self._command = [
            sys.executable, "-m", "batch_audit.lineage.project.worker", str(seconds), str(niceness),
        ]  # fmt: skip
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, task: Task) -> Answer:
        line = json.dumps(asdict(task)).encode() + b"\n"
        process = self._process = self._process or self._start()
        try:
            assert process.stdin and process.stdout  # noqa: S101 (both are pipes)
            process.stdin.write(line)
            process.stdin.flush()
            return Answer.from_json(process.stdout.readline().decode())
        except (OSError, ValueError, TypeError):
            self._process = None
            process.kill()
            return Answer(unknown=((None, self._reason(process.wait()), ""),))

    def _reason(self, status: int) -> str:
        if status == -signal.SIGPROF:
            return f"reading the SQL took more than {self._seconds:g} seconds of CPU time and was given up"
        name = signal.Signals(-status).name if status < 0 else f"status {status}"
        return f"the process that read the SQL died ({name}): it is nested too deeply, or the memory ran out"

    def _start(self) -> subprocess.Popen[bytes]:
        # The batch's own variables stay out: by them the runner knows the processes of the command.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        paths = [str(Path(__file__).resolve().parents[3]), inherited.get("PYTHONPATH", "")]
        environment = inherited | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        # A session of its own: Ctrl-C is for the command, and the runner ends this process itself.
        return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            self._command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in _pipes(process):
                pipe.close()


def _pipes(process: subprocess.Popen[bytes]) -> list[IO[bytes]]:
    return [pipe for pipe in (process.stdin, process.stdout) if pipe is not None]
